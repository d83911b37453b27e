"""Checks before a training: what is wrong with a data set, and do the anchors fit."""
