"""Mask R-CNN for Keras 3 and TensorFlow: the map of the house.

Scripts come in through the doors on this level: `mrcnn.config` (`Config`,
`PaperConfig`, `SmallConfig`), `mrcnn.model` (`MaskRCNN` and what belongs to it),
`mrcnn.utils` (`Dataset`, boxes, masks, anchors, AP, downloads), `mrcnn.visualize` and
`mrcnn.pretrained` (a model that is trained already).
Behind them are the rooms: `geometry` (arrays in, arrays out), `targets` (what the
network should have said), `nn` (Keras layers), `evaluation` (AP), `data` (data sets to
batches), `viz` (pictures), `engine` (the graph, training, detection, weight files) and
`classic` (functions of the old package in their old form). A room imports only rooms
below it: classic -> engine -> data, viz -> targets, nn, evaluation -> geometry ->
config. This file imports nothing, so `import mrcnn` is instant.
"""

__version__ = "0.1.0"
