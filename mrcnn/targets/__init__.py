"""Training targets: what the network should predict for an image with known objects.

`box_matching` pairs anchors with objects, `anchor_targets` makes the targets of the
region proposal network, `roi_targets` those of the heads. Pure functions, no Keras
layer.
"""
