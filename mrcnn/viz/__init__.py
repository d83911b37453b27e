"""Draws images, boxes, masks and labels; curves, matrices and tables.

| what is drawn | where |
|---|---|
| the objects of an image | `instances` (matplotlib), `frames` (OpenCV, for videos) |
| objects against detections | `differences` |
| several images | `grids` |
| anchors, proposals, RoIs | `draw_boxes` |
| how a training went | `training_curves` |
| how good detections are | `plots` |
| rows of numbers | `tables` |
| each frame of a video | `video` |

These use `canvas` (figures, and axes with an image), `draw` (colors, and painting into
arrays), `mask_forms` (boxes and masks as users give them) and `labels` (places for
texts). `history` writes and reads the numbers of a training. matplotlib is imported
only where something is drawn.
"""
