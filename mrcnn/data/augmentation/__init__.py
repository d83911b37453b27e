"""Augmentation: `augment` applies any kind; one adapter a library, and recipes."""
