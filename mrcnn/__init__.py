"""Mask R-CNN for Keras 3 and TensorFlow.

Scripts import the public modules: `mrcnn.config` (`Config`, `PaperConfig`,
`SmallConfig`), `mrcnn.model` (`MaskRCNN`, `load_image_gt`), `mrcnn.utils` (`Dataset`,
boxes, masks, metrics), `mrcnn.visualize`, `mrcnn.pretrained` (trained models); and
`mrcnn.data` (data sets of any format) and `mrcnn.evaluation` (average precision).

The code is in sub-packages, each of which imports only those before it: `geometry`
(arrays in, arrays out), `nn` and `targets` (the network, and what it should say),
`evaluation`, `data` (images and annotations to batches), `viz` (figures, videos),
`engine` (the graph, training, detection, weight files), `classic` (what only scripts of
the old package need), `cli` (the command). CONTRIBUTING.md has the map.
"""

__version__ = "0.1.0"
