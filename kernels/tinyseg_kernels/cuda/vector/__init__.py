"""What the inner loops of kernels are made of.

``scalar`` has functions of single numbers, ``instructions`` vectors of 16 bytes, sums of outer products in registers
and guarded loads.
"""
