"""Arrays in, arrays out: the NumPy function and its tensor twin side by side.

No Config and no Keras layer in here. `boxes` (IoU, deltas, clipping), `coordinates`
(px <-> norm <-> orig), `masks` (stacks: boxes, resizing, overlaps), `box_masks`
(mini-masks, paste), `anchors`, `nms`, `resize_plan` (where an image goes in the model
image), `images` (resizing, mean pixel), `interpolation` and `image_meta`. TensorFlow is
imported inside the tensor twins only.
"""
