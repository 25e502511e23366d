"""Layers: modules of one operator each, with PyTorch's names, arguments and parameter names."""
