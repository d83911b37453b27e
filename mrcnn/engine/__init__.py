"""The only rooms that read Config and hold state.

`graph` (one trunk, two tails), `mask_rcnn` (the MaskRCNN object), `training`,
`inference`, `weights` (HDF5 files in the old layout), `checkpoints` and `inspection`.
"""
