"""Functions of arrays: boxes, masks, anchors, and sizes of images.

No Config and no Keras layer in here. `boxes` (IoU, deltas), `coordinates` (px <-> norm
<-> orig), `masks` (stacks: boxes, resizing, overlaps), `crops` (one object in its box),
`box_masks` (mini masks, masks of the mask head), `anchors`, `nms`, `resize_plan` (where
an image lies in the model image), `images` (resizing, mean color), `interpolation` and
`image_meta`. `<name>_tensor` is the tensor twin of the NumPy function `<name>`;
TensorFlow is imported inside of these only.
"""
