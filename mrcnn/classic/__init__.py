"""Names and habits of the old package that the new one has no use for.

Only the public modules and `mrcnn.pretrained` import from here:

- `keras_2`: MaskRCNN whose Keras models take what scripts for Keras 2 call on them;
- `layers`, `graph_functions`: layers and `*_graph` functions that take a Config;
- `targets`, `batches`: targets and batches as rows of arrays;
- `functions`: further functions on images and tensors, without TensorFlow;
- `parallel`: ParallelModel.

No algorithm is in this sub-package: each name calls the new function.
"""
