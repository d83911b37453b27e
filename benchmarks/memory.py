"""Does `detect` keep memory? RSS after 50 and after 500 calls, in every form of masks.

    python benchmarks/memory.py

Exit code 1 when the second is more than 3 % above the first.
"""

from __future__ import annotations

import argparse
import itertools
import os
import resource
import sys
import tempfile
from pathlib import Path

import numpy as np

WARM_CALLS = 50  # TensorFlow's pools and caches are filled by then
MAX_RATIO = 1.03
SIDES = (40, 400)  # px, of the images


def make_model(folder):
    """A small detector; its random weights take most boxes for objects."""
    from mrcnn.config import Config
    from mrcnn.model import MaskRCNN

    class MemoryConfig(Config):
        NAME = "memory"
        NUM_CLASSES = 4
        BACKBONE = "resnet18"
        BACKBONE_WIDTH = 16
        NORM = "group"
        IMAGE_MIN_DIM = 128
        IMAGE_MAX_DIM = 192
        RPN_ANCHOR_SCALES = (8, 16, 32, 64, 128)
        TOP_DOWN_PYRAMID_SIZE = 32
        RPN_CHANNELS = 32
        MASK_HEAD_CHANNELS = 32
        FPN_CLASSIF_FC_LAYERS_SIZE = 64
        POST_NMS_ROIS_INFERENCE = 100
        DETECTION_MIN_CONFIDENCE = 0.0
        DETECTION_MAX_INSTANCES = 20

    model = MaskRCNN("inference", MemoryConfig(), folder)
    logits = model.keras_model.get_layer("mrcnn_class_logits")
    logits.bias.assign([-5.0, 0.0, 0.0, 0.0])  # not background
    return model


def rss():
    """Resident memory of this process, bytes."""
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(x for x in status.read_text().splitlines() if "VmRSS" in x)
        return int(line.split()[1]) * 1024
    # Elsewhere: its greatest value so far, which a leak raises as well.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main(argv=None):
    """Detect and compare; the return value is the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=500, help="calls of detect")
    args = parser.parse_args(argv)
    if args.count <= WARM_CALLS:
        parser.error(f"--count {args.count}: must be more than {WARM_CALLS}")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with tempfile.TemporaryDirectory() as folder:
        model = make_model(folder)
    rng = np.random.default_rng(0)
    found, early = 0, 0
    forms = itertools.cycle(("full", "crop", "rle", None))
    for call in range(1, args.count + 1):
        height, width = rng.integers(*SIDES, 2)
        image = rng.integers(0, 256, [height, width, 3]).astype(np.uint8)
        found += len(model.detect([image], masks=next(forms))[0]["rois"])
        if call == WARM_CALLS:
            early = rss()
    late = rss()
    ratio = late / early
    print(f"objects found in {args.count} images: {found}")
    print(f"RSS after {WARM_CALLS} detects:  {early / 2**20:8.1f} MB")
    print(f"RSS after {args.count} detects: {late / 2**20:8.1f} MB")
    print(f"ratio: {ratio:.3f} (at most {MAX_RATIO})")
    return int(ratio > MAX_RATIO)


if __name__ == "__main__":
    sys.exit(main())
