"""Losses: each as a function and as a module, in one file."""
