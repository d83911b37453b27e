"""Augmentation: `augment` applies any kind; an adapter for each library; recipes."""
