"""Keras layers and sub-graphs, with keyword arguments and without Config.

From the image to the losses: `backbones`, `norms`, `fpn`, `rpn`, `proposals`,
`roi_align`, `heads`, `target_layer`, `detections`, `losses`. Every step that a
notebook may want to look into is a function that returns its intermediates by name.
"""
