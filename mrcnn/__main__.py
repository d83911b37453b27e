"""`python -m mrcnn`: the `mrcnn` command."""

from __future__ import annotations

import sys

from mrcnn.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
