"""Weight files: reading any layout, writing one, and what is kept beside them."""
