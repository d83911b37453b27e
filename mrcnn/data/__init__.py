"""From files to batches, without TensorFlow.

`dataset` (the class to subclass), `image_files` (any file to RGB), `loading` (one
image with its objects), `augmentation`, `generator` (a batch as a pure function of
seed, epoch and index), `loaders` (workers that cannot hang) and annotation formats
such as `via`.
"""
