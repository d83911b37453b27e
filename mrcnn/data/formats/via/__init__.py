"""VGG Image Annotator 1, 2 and 3.

`via_files.read_via` reads a file, `via_dataset.via_shape` makes the outline of a region
(a polygon, a circle ...), `via_classes` finds the class of each, and `ViaDataset` puts
them together.
"""
