"""Detection: from images to results, whole or in tiles."""
