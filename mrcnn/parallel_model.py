"""ParallelModel of old scripts: the model itself, on one device."""

from mrcnn.classic.parallel import ParallelModel

__all__ = ["ParallelModel"]
