"""Pictures: what is in an image, drawn so that it can be read.

`instances` (the objects of an image), `differences` and `fates` (truth against
detections), `grids` (several pictures), `boxes` (anchors, proposals and RoIs on their
way), `frames` and `video` (OpenCV, for films), `draw` (paint into arrays), `crops`
(masks inside their boxes), `canvas` (axes with an image), `labels` (captions that keep
out of each other's way), `plots` (curves and matrices), `curves` and `history` (how a
training went) and `tables`. matplotlib is imported where something is drawn.
"""
