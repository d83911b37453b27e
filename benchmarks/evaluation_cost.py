"""What an evaluation costs, compared with pycocotools alone on the same arrays.

    python benchmarks/evaluation_cost.py

Boxes, masks, scores and classes of made-up images are evaluated twice in each round, in
turns: by pycocotools, whose dictionaries were made before the clock starts; and by
`mrcnn.evaluation`, from arrays as `detect(masks="rle")` gives them. Both give the
twelve numbers of boxes and of masks, which must be equal. Times are those of the
processor, since both use one thread: what else runs on the machine counts little. Exit
code 1 when the median of the ratios is above 1.3, or when a number differs.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import statistics
import sys
import time
import warnings

import numpy as np

MAX_RATIO = 1.3
HEIGHT, WIDTH = 480, 640  # px, COCO's usual size
OBJECTS = 8  # of an image, about COCO's mean


def make_records(num_images, num_detections, num_classes, seed=0):
    """Records of ellipses; detections are shifted objects and false alarms."""
    from mrcnn.evaluation.coco_format import crop_to_rle

    rng = np.random.default_rng(seed)

    def shapes(centers, sides):
        """Ellipses: boxes [n, 4] and RLE dicts."""
        low = np.clip(np.rint(centers - sides / 2), 0, None).astype(int)
        high = np.minimum(np.rint(centers + sides / 2).astype(int), (HEIGHT, WIDTH))
        boxes = np.concatenate([low, np.maximum(high, low + 1)], axis=1)
        rles = []
        for y1, x1, y2, x2 in boxes:
            y = (np.arange(y2 - y1) + 0.5) / (y2 - y1) * 2 - 1
            x = (np.arange(x2 - x1) + 0.5) / (x2 - x1) * 2 - 1
            inside = y[:, None] ** 2 + x**2 <= 1
            inside[len(y) // 2, len(x) // 2] = True  # of one pixel, too
            rles.append(crop_to_rle(inside, (y1, x1, y2, x2), HEIGHT, WIDTH))
        return boxes, rles

    records = []
    for number in range(num_images):
        centers = rng.uniform((20, 20), (HEIGHT - 20, WIDTH - 20), (OBJECTS, 2))
        sides = np.exp(rng.uniform(np.log(12), np.log(250), (OBJECTS, 2)))
        gt_class_ids = rng.integers(1, num_classes + 1, OBJECTS)
        gt_boxes, gt_rles = shapes(centers, sides)
        # About a third of the detections lie near an object of their class.
        of = rng.integers(0, OBJECTS, num_detections)
        near = rng.random(num_detections) < 0.35
        found_centers = np.where(
            near[:, None],
            centers[of] + rng.normal(0, 0.1, (num_detections, 2)) * sides[of],
            rng.uniform((20, 20), (HEIGHT - 20, WIDTH - 20), (num_detections, 2)),
        )
        found_sides = sides[of] * np.exp(rng.normal(0, 0.2, (num_detections, 2)))
        boxes, rles = shapes(found_centers, found_sides)
        other = rng.integers(1, num_classes + 1, num_detections)
        scores = rng.random(num_detections) * np.where(near, 1, 0.6)
        order = np.argsort(-scores)
        records.append(
            {
                "image_id": number + 1,
                "height": HEIGHT,
                "width": WIDTH,
                "gt_rles": gt_rles,
                "gt_boxes": gt_boxes,
                "gt_class_ids": np.where(rng.random(OBJECTS) < 0.02, -1, 1)
                * gt_class_ids,
                "rois": boxes[order],
                "class_ids": np.where(near, gt_class_ids[of], other)[order],
                "scores": scores[order].astype(np.float32),
                "masks": [rles[i] for i in order],
            }
        )
    return records


def to_dictionaries(records):
    """The same as pycocotools wants it: a data set, and results by kind."""
    from pycocotools import mask as mask_utils

    annotations, results = [], {"bbox": [], "segm": []}
    for record in records:
        image_id = record["image_id"]
        rows = zip(
            record["gt_class_ids"], record["gt_boxes"], record["gt_rles"], strict=True
        )
        for class_id, (y1, x1, y2, x2), rle in rows:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": int(abs(class_id)),
                    "iscrowd": int(class_id < 0),
                    "bbox": [float(x1), float(y1), float(x2 - x1), float(y2 - y1)],
                    "area": float(mask_utils.area(rle)),
                    "segmentation": rle,
                }
            )
        rows = zip(
            *(record[key] for key in ("class_ids", "scores", "rois", "masks")),
            strict=True,
        )
        for class_id, score, (y1, x1, y2, x2), rle in rows:
            row = {
                "image_id": image_id,
                "category_id": int(class_id),
                "score": float(score),
            }
            box = [float(x1), float(y1), float(x2 - x1), float(y2 - y1)]
            results["bbox"].append({**row, "bbox": box})
            results["segm"].append({**row, "segmentation": rle})
    used = {row["category_id"] for row in annotations + results["bbox"]}
    images = [{"id": r["image_id"], "height": HEIGHT, "width": WIDTH} for r in records]
    categories = [{"id": i, "name": str(i)} for i in sorted(used)]
    return (
        {"images": images, "categories": categories, "annotations": annotations},
        results,
    )


def by_pycocotools(dataset, results):
    """The twelve numbers of each kind, as pycocotools' own demo gets them."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    stats = {}
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = dataset
        truth.createIndex()
        for kind, rows in results.items():
            evaluation = COCOeval(truth, truth.loadRes(rows), kind)
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
            stats[kind] = evaluation.stats.tolist()
    return stats


def by_mrcnn(records):
    """The same twelve numbers."""
    from mrcnn.evaluation.coco import METRICS, evaluate_detections

    metrics = evaluate_detections(records)
    return {
        kind: [metrics[kind][name] for name in METRICS] for kind in ("bbox", "segm")
    }


def print_the_rest(records):
    """What the measures cost that aren't COCO's."""
    from mrcnn import evaluation

    kept = [evaluation.compact(record) for record in records]
    for name, measure in (
        ("VOC AP of boxes", evaluation.voc_evaluate),
        ("DSB 2018 score", evaluation.dsb_evaluate),
        ("confusion of boxes", evaluation.confusion_matrix),
    ):
        start = time.process_time()
        measure(kept)
        print(f"{name:20} {time.process_time() - start:6.2f} s")


def main(argv=None):
    """Measure and compare; the return value is the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--detections", type=int, default=100, help="an image")
    parser.add_argument("--classes", type=int, default=80)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args(argv)
    for name, value in vars(args).items():
        if value < 1:
            parser.error(f"--{name} {value}: must be 1 or more")
    # pycocotools hands NumPy 2 an old kind of array.
    warnings.filterwarnings("ignore", "__array__", DeprecationWarning)
    records = make_records(args.images, args.detections, args.classes)
    print(
        f"{args.images} images x {args.detections} detections, {args.classes} classes, "
        "boxes and masks"
    )
    ratios, largest = [], 0.0
    for number in range(args.rounds):
        dataset, results = to_dictionaries(records)  # pycocotools writes into them
        seconds = {}
        for who in ("pycocotools", "mrcnn") if number % 2 else ("mrcnn", "pycocotools"):
            start = time.process_time()
            if who == "mrcnn":
                ours = by_mrcnn(records)
            else:
                theirs = by_pycocotools(dataset, results)
            seconds[who] = time.process_time() - start
        for kind in theirs:
            largest = max(largest, np.abs(np.subtract(ours[kind], theirs[kind])).max())
        ratios.append(seconds["mrcnn"] / seconds["pycocotools"])
        print(
            f"pycocotools {seconds['pycocotools']:6.2f} s   "
            f"mrcnn.evaluation {seconds['mrcnn']:6.2f} s   ratio {ratios[-1]:.3f}"
        )
    print_the_rest(records)
    ratio = statistics.median(ratios)
    print(f"AP of boxes {ours['bbox'][0]:.4f}, of masks {ours['segm'][0]:.4f}")
    print(f"greatest difference of the 24 numbers: {largest:g}")
    print(f"ratio: {ratio:.3f} (median, at most {MAX_RATIO})")
    return int(ratio > MAX_RATIO or not largest == 0)


if __name__ == "__main__":
    sys.exit(main())
