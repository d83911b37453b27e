"""Files: reading images, listing folders, downloads, writing whole or not at all."""
