"""Pascal VOC: the data set and its xml files."""
