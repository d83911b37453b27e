"""Do old weights give what they gave in the old package? Each tensor's greatest error.

    MRCNN_SHARED=../shared python benchmarks/parity.py

Prints, for the three images of parity/ in the shared folder, the greatest error of each
tensor and, in brackets, that error in units of its tolerance (parity/README.md: rtol
1e-3, atol 1e-4 of the tensor's own scale). "given" = a step of ours that starts from
what the old package had before it. Then detections matched (class, IoU >= 0.99, scores
within 1e-3), and pixels of masks that differ. Exit code 1 when one is outside, or a
detection isn't matched.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


def tensor_errors(run) -> dict[str, tuple[float, float]]:
    """Returns (greatest error, the same in units of its tolerance) by tensor."""
    from tests.parity.chain import LEVELS, read_elsewhere, rows_of_expected
    from tests.parity.compare import errors, match_rows

    expected, sel = run.expected, run.expected["anchor_sel"]
    rows, same = rows_of_expected(run), ~read_elsewhere(run)
    pairs = {
        "window": (run.window, expected["window"]),
        "image_meta": (run.image_meta, expected["image_meta"]),
        "molded_shape": (run.molded_shape, expected["molded_shape"]),
        "anchors": (run.anchors[sel], expected["anchors_sel"]),
    }
    for name, x in zip(LEVELS, run.feature_maps, strict=True):
        height, width, _ = x.shape
        sample = x[:: height // 8, :: width // 8, ::16]
        pairs[name] = (sample, expected[f"{name}_stride"])
    is_found = matched(run) >= 0
    found = matched(run)[is_found]
    old_detections = expected["detections"]
    order = match_rows(run.given.detections, old_detections, run.molded_shape)
    given, old_detections = run.given.detections[order], old_detections[order >= 0]
    given = given[order >= 0]
    top, old_top = top_three(run.heads.probs[rows]), expected["mrcnn_class_top"]
    pairs |= {
        "rpn_class": (run.rpn_class[sel], expected["rpn_class_sel"]),
        "rpn_bbox": (run.rpn_bbox[sel], expected["rpn_bbox_sel"]),
        "rpn_rois, ties in order": (run.rois[rows], expected["rpn_rois"]),
        "mrcnn_class_top": (top[same], old_top[same]),
        "mrcnn_class_top, given": (top_three(run.given.probs), old_top),
        "detections, given": (given, old_detections),
        "mask_of_class, given": (run.given_masks[:20], expected["mask_of_class"]),
        "rois, given": (run.given_result["rois"], expected["rois"]),
        "rois of detect()": (run.result["rois"][found], expected["rois"][is_found]),
        "scores of detect()": (
            run.result["scores"][found],
            expected["scores"][is_found],
        ),
    }
    return {name: errors(*pair) for name, pair in pairs.items()}


def top_three(probs):
    """Returns the three largest probabilities a roi, ascending."""
    return np.sort(probs, axis=1)[:, -3:]


def counts(run) -> dict[str, str]:
    """Returns what is counted, by name."""
    from tests.parity.chain import read_elsewhere, rows_of_expected

    expected = run.expected
    rows, elsewhere = rows_of_expected(run), read_elsewhere(run)
    argmax = run.heads.probs[rows].argmax(axis=1) == expected["mrcnn_class_argmax"]
    found = matched(run)
    total = len(expected["rois"])
    pairs = [(i, j) for i, j in enumerate(found) if j >= 0]
    areas = [run.result["areas"][j] - expected["mask_area"][i] for i, j in pairs]
    equal = [
        run.result["rles"][j]["counts"] == str(expected["mask_rle_counts"][i])
        for i, j in pairs
    ]
    return {
        "rows of rpn_rois in another order": str((rows != np.arange(len(rows))).sum()),
        "mrcnn_class_argmax equal": f"{argmax.sum()} of {len(argmax)}",
        "proposals read elsewhere": str(elsewhere.sum()),
        "detect(): detections matched": f"{len(pairs)} of {total}",
        "detect(): equal masks": f"{sum(equal)} of {total}",
        "detect(): greatest area difference, px": str(np.abs(areas).max(initial=0)),
        "detect(): largest area, px": str(expected["mask_area"].max()),
    }


def matched(run) -> np.ndarray:
    """Returns, for each old detection, the one of `detect` that it is, or -1."""
    from tests.parity.compare import match

    names = ("rois", "class_ids", "scores")
    return match(*(run.result[n] for n in names), *(run.expected[n] for n in names))


def table(columns: dict[str, dict]) -> str:
    """Returns rows of values by image."""
    names = list(columns)
    width = max(len(key) for key in columns[names[0]])
    lines = ["  ".join([" " * width, *(f"{name[:18]:>18}" for name in names)])]
    for key in columns[names[0]]:
        cells = (columns[name][key] for name in names)
        texts = (
            f"{cell[0]:.2e} ({cell[1]:.4f})" if isinstance(cell, tuple) else cell
            for cell in cells
        )
        lines.append("  ".join([f"{key:<{width}}", *(f"{t:>18}" for t in texts)]))
    return "\n".join(lines)


def main(argv=None):
    """Compare and print; the return value is the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.parse_args(argv)
    shared = Path(os.environ.get("MRCNN_SHARED", ROOT.parent / "shared"))
    if not (shared / "parity").is_dir():
        parser.error(f"no folder {shared}/parity: set MRCNN_SHARED")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from tests.parity.chain import IMAGES, Chain

    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        chain = Chain(shared, Path(folder))
    print(f"{chain.report.summary()}\n")
    tensors, numbers, is_good = {}, {}, True
    for name in IMAGES:
        run = chain.run(name)
        tensors[name], numbers[name] = tensor_errors(run), counts(run)
        is_good &= all(ratio <= 1 for _, ratio in tensors[name].values())
        is_good &= bool((matched(run) >= 0).all())
    print(table(tensors), table(numbers), sep="\n\n")
    print(f"\n{time.perf_counter() - start:.0f} s")
    return int(not is_good)


if __name__ == "__main__":
    sys.exit(main())
