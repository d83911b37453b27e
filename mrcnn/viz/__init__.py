"""Pictures: boxes, masks, labels and splashes drawn on images, plots and tables."""
