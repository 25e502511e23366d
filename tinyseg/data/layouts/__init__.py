"""Data sets as they are published: one layout a file, and what they share.

``layout`` is what layouts inherit from, ``train_val_split`` says which images validate where a data set leaves that
open, ``orientation`` compares images that are turned when they are read with their masks, and ``coco_records`` and
``coco_shapes`` read the fields and outlines of COCO's JSON. Every other file is a data set.
"""
