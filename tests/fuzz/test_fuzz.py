"""A sample of what `make fuzz` runs: none of the inputs may fail."""
