"""Synthetic data sets: images that are generated from a seed. Nothing to download."""
