"""Annotation formats: `open_dataset`, and one module or folder a format.

`open_dataset` opens a folder, and `layouts` finds the data sets in it. Each format has
its Dataset class, in `coco`, `via` and `voc` or in a module of its own.
"""
