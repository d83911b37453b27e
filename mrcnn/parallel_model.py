"""ParallelModel of old scripts: the model itself, on one device."""

from mrcnn.classic.old_imports import attach
from mrcnn.classic.parallel import ParallelModel

__all__ = ["ParallelModel"]

# And what scripts read through the old module, as `np`: imported when asked for.
__getattr__, __dir__ = attach(__name__, __all__)
