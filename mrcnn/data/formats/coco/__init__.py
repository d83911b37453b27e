"""COCO json: the data set, its file, where its images are, and writing it."""
