"""Pictures: what is in an image, drawn so that it can be read.

`instances` (objects, and truth beside detections), `boxes` (anchors, proposals and
RoIs on their way), `draw` (paint into arrays), `canvas` (axes with an image), `labels`
(captions that keep out of each other's way), `plots` (curves and matrices), `tables`
and `video`. matplotlib is imported where something is drawn.
"""
