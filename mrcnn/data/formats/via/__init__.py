"""VGG Image Annotator 1, 2 and 3: the data set, its files, its classes."""
