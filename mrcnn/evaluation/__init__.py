"""How good the detections are, in NumPy.

`matches` pairs detections with objects and computes AP and recall as the old package
did; `coco` computes the COCO figures with pycocotools.
"""
