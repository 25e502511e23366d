"""File formats, read with every length checked: images, TIFF tags, MATLAB files, JSON of any size.

What these files hold in a data set is the layouts' affair.
"""
