"""Annotation formats: `open_dataset`, and one module or folder a format.

`open_dataset` opens a folder; `format_table` lists the formats, and finds which of them
a folder has. Each format has a Dataset class that loads it and, below that, a `Format`
that describes it (`layouts`): in `coco`, `via` and `voc`, or in a module of its own.
"""
