"""Keras layers and sub-graphs, with keyword arguments and without Config.

From the image to the losses: `inputs`, `backbones`, `norms`, `fpn`, `rpn`,
`proposals`, `target_layer`, `roi_selection`, `roi_align`, `heads`, `detections`,
`losses`. Every step that a notebook may want to look into is a function that returns
its intermediates.
"""
