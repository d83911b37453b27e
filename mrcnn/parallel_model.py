"""Door: ParallelModel of old scripts. A batch runs on one device here."""

from mrcnn.classic.parallel import ParallelModel

__all__ = ["ParallelModel"]
