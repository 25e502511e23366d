"""Operators of networks: what ``nn.functional`` gives to users, a family a file."""
