"""Loops that several stems share: element-wise, over channels, over windows; copies between memory orders."""
