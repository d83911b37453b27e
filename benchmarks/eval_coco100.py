"""COCO's published numbers of its hundred images, beside those computed here.

    python benchmarks/eval_coco100.py /path/to/data/eval_coco100

The folder holds what cocoapi publishes to test an evaluation with: annotations of a
hundred images of val2014, made-up results, and their scores. Without an argument it is
looked for in MRCNN_SHARED/data. Exit code 1 when a number differs.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import warnings
from pathlib import Path

TRUTH = "instances_val2014_100.json"
RESULTS = "instances_val2014_fake{kind}100_results.json"
PUBLISHED = "val2014_fake_eval_res.txt"
KINDS = ("segm", "bbox")


def read_published(path):
    """Kind -> the twelve numbers, as text, in pycocotools' order."""
    blocks = re.split(r"type=(\w+)", Path(path).read_text(encoding="utf-8"))[1:]
    texts = dict(zip(blocks[::2], blocks[1::2], strict=True))
    return {
        kind: re.findall(r"\(A[PR]\).*= (\d\.\d+)$", texts[kind], re.MULTILINE)
        for kind in KINDS
    }


def as_records(truth, results):
    """The same as records: what an own detector would give, image by image."""
    from mrcnn.evaluation.coco_format import to_rle

    by_image = {image["id"]: ([], []) for image in truth["images"]}
    for annotation in truth["annotations"]:
        by_image[annotation["image_id"]][0].append(annotation)
    for result in results:
        by_image[result["image_id"]][1].append(result)
    records = []
    # COCO ranks results of one score in the order of the ids of their images.
    for image in sorted(truth["images"], key=lambda image: image["id"]):
        objects, found = by_image[image["id"]]
        size = image["height"], image["width"]
        signs = [-1 if a["iscrowd"] else 1 for a in objects]
        records.append(
            {
                "image_id": image["id"],
                "height": size[0],
                "width": size[1],
                "gt_class_ids": [
                    sign * a["category_id"]
                    for sign, a in zip(signs, objects, strict=True)
                ],
                "gt_rles": [to_rle(a["segmentation"], *size) for a in objects],
                "gt_boxes": [corners(a["bbox"]) for a in objects],
                "gt_areas": [a["area"] for a in objects],
                "class_ids": [r["category_id"] for r in found],
                "scores": [r["score"] for r in found],
                "rois": [corners(r.get("bbox", (0, 0, 0, 0))) for r in found],
                "rles": [r["segmentation"] for r in found]
                if "segmentation" in results[0]
                else None,
            }
        )
    return records


def corners(xywh):
    """(x, y, width, height) as (y1, x1, y2, x2)."""
    x, y, w, h = xywh
    return y, x, y + h, x + w


def evaluate_folder(folder):
    """Kind -> (numbers of the files, numbers of the records), by their names."""
    from mrcnn.evaluation.coco import coco_metrics, evaluate_detections

    truth = json.loads((folder / TRUTH).read_text(encoding="utf-8"))
    numbers = {}
    for kind in KINDS:
        path = folder / RESULTS.format(kind=kind)
        results = json.loads(path.read_text(encoding="utf-8"))
        records = as_records(truth, results)
        numbers[kind] = (
            coco_metrics(truth, results, kind),
            evaluate_detections(records)[kind],
        )
    return numbers


def main(argv=None):
    """Print the 24 numbers; the return value is the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    args = parser.parse_args(argv)
    folder = args.folder
    if folder is None:
        shared = os.environ.get("MRCNN_SHARED")
        if shared is None:
            parser.error("name the folder, or set MRCNN_SHARED")
        folder = Path(shared) / "data" / "eval_coco100"
    for name in (TRUTH, PUBLISHED, *(RESULTS.format(kind=kind) for kind in KINDS)):
        if not (folder / name).is_file():
            parser.error(f"{folder} has no {name}")
    # pycocotools hands NumPy 2 an old kind of array.
    warnings.filterwarnings("ignore", "__array__", DeprecationWarning)
    published = read_published(folder / PUBLISHED)
    wrong = 0
    print(f"{'':12}{'published':>12}{'from files':>12}{'from records':>14}")
    for kind, (of_files, of_records) in evaluate_folder(folder).items():
        for name, text in zip(of_files, published[kind], strict=True):
            row = (text, f"{of_files[name]:.3f}", f"{of_records[name]:.3f}")
            wrong += len(set(row)) > 1
            mark = "" if len(set(row)) == 1 else "   DIFFERS"
            print(f"{kind} {name:7}{row[0]:>12}{row[1]:>12}{row[2]:>14}{mark}")
    print(f"{24 - wrong} of 24 numbers are the published ones")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
