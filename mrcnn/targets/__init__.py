"""What the network should have said about an image whose objects are known.

`matching` pairs anchors with objects, `anchor_targets` makes the targets of the region
proposal network, `roi_targets` those of the heads. Pure functions, no Keras layer.
"""
