"""A run on disk: its folder and files, how far it has come, and the weights that it begins with."""
