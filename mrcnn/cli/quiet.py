"""TensorFlow, imported without the lines it prints about the machine."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator


def import_tensorflow() -> None:
    """Imports TensorFlow; what it prints comes out only if that fails.

    Its first lines (drivers, processor) heed no environment variable; set
    TF_CPP_MIN_LOG_LEVEL to see them and those that follow.
    """
    if "tensorflow" in sys.modules or "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        return
    # For what comes after the import.
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    with _held_back_stderr():
        import tensorflow  # noqa: F401


@contextlib.contextmanager
def _held_back_stderr() -> Iterator[None]:
    """Holds back what C++ writes to stderr; it is written after all on an error."""
    sys.stderr.flush()
    try:
        saved = os.dup(2)
    except OSError:  # closed: nothing to hold back
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(saved, held.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)
