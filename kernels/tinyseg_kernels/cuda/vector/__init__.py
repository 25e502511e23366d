"""What runs inside a kernel and is no pattern yet.

``scalar`` has functions of single numbers, ``instructions`` vectors of 16 bytes, sums of outer products in registers
and guarded loads.
"""
