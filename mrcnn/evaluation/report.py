"""The numbers of an evaluation as a table, as json and as figures."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn.evaluation.coco import (
    CLASS_METRICS,
    MAX_DETECTIONS,
    METRICS,
    CocoEvaluation,
)
from mrcnn.evaluation.confusion import confusion_matrix
from mrcnn.evaluation.curves import Curve, precision_recall_curve
from mrcnn.evaluation.dsb2018 import DsbEvaluation, dsb_evaluate
from mrcnn.evaluation.records import TITLES, ImageRecord
from mrcnn.evaluation.voc import VocEvaluation, voc_evaluate


class EvaluationResult(Mapping):
    """COCO's numbers by kind of overlap, and on request those of other measures.

    `result["segm"]["AP"]` is a number; the mapping holds "bbox" and "segm", as asked
    for, with the twelve numbers of `coco.METRICS` each. VOC's, DSB's and the confusion
    matrix are computed when they are asked for.

    Attributes:
        records: list of ImageRecord, what was measured: one an image, run lengths.
        class_names: class id -> name, of the classes that were evaluated.
        evaluations: kind -> CocoEvaluation.
        min_confidence: score below which the detector left out what it found; None
            when that isn't known.
        max_detections: of a class and image, the surest, that COCO's numbers look at.
            AR100 is the AR at this number.
    """

    def __init__(
        self,
        records: list[ImageRecord],
        class_names: Mapping[int, str],
        evaluations: Mapping[str, CocoEvaluation],
        min_confidence: float | None = None,
    ):
        """Keeps them."""
        self.records = records
        self.class_names = dict(class_names)
        self.evaluations = dict(evaluations)
        self.min_confidence = min_confidence
        limits = {e.max_detections for e in self.evaluations.values()}
        self.max_detections = max(limits, default=MAX_DETECTIONS)

    def __getitem__(self, kind: str) -> dict[str, float]:
        """Returns the twelve numbers of a kind of overlap."""
        return self.evaluations[kind].metrics

    def __iter__(self) -> Iterator[str]:
        """Yields the kinds of overlap."""
        return iter(self.evaluations)

    def __len__(self) -> int:
        """Returns how many kinds of overlap there are."""
        return len(self.evaluations)

    def __repr__(self) -> str:
        """Returns one line."""
        values = ", ".join(f"{k} AP {v['AP']:.3f}" for k, v in self.items())
        return f"EvaluationResult({len(self.records)} images, {values})"

    def flat(self) -> dict[str, float]:
        """Returns all numbers by names like "segm_AP50", for logs."""
        return {f"{k}_{n}": v for k, values in self.items() for n, v in values.items()}

    def per_class(self) -> list[dict[str, Any]]:
        """Returns a row a class: class_id, name, objects, detections, numbers by kind.

        Crowds aren't counted among the objects. The numbers are those of
        `coco.CLASS_METRICS`, nan for a class without objects.
        """
        objects, detections = Counter(), Counter()
        for record in self.records:
            objects.update(record.gt_class_ids[~record.gt_is_crowd].tolist())
            detections.update(record.class_ids.tolist())
        return [
            {
                "class_id": class_id,
                "name": name,
                "objects": objects[class_id],
                "detections": detections[class_id],
                **{k: e.per_class[class_id] for k, e in self.evaluations.items()},
            }
            for class_id, name in self.class_names.items()
        ]

    def curve(
        self, kind: str = "bbox", class_id: int | None = None, iou: float = 0.5
    ) -> Curve:
        """Returns COCO's curve; see `curves.precision_recall_curve`."""
        return precision_recall_curve(self.evaluations[kind], class_id, iou)

    def voc(
        self, kind: str = "bbox", iou: float = 0.5, use_07_metric: bool = False
    ) -> VocEvaluation:
        """Returns VOC's AP of each class and their mean; see `voc.voc_evaluate`."""
        return voc_evaluate(self.records, iou, kind, use_07_metric, self.class_names)

    def dsb2018(self, score_threshold: float = 0.5) -> DsbEvaluation:
        """Returns the Data Science Bowl's score; see `dsb2018.dsb_evaluate`."""
        return dsb_evaluate(self.records, score_threshold)

    def confusion_matrix(
        self, kind: str = "bbox", iou: float = 0.5, score: float = 0.5
    ) -> np.ndarray:
        """Returns counts of class pairs; see `confusion.confusion_matrix`."""
        size = 1 + max(self.class_names, default=0)
        return confusion_matrix(self.records, size, iou, score, kind)

    def table(self) -> str:
        """Returns the numbers, and those of each class with objects, as text."""
        lines = [f"{len(self.records)} images; COCO, mean over IoU 0.50:0.95"]
        if self.min_confidence is None:
            lines[0] += "; score cut of the detector unknown"
        elif self.min_confidence > 0:
            lines[0] += f"; scores from {self.min_confidence:g} on"
        limit = self.max_detections
        if limit != MAX_DETECTIONS:
            of = f"{MAX_DETECTIONS} as COCO"
            lines[0] += f"; {limit} detections of a class and image, not {of}"
        most = np.array([_most_objects(record) for record in self.records], int)
        if (most > limit).any():
            lines.append(
                f"{np.sum(most > limit)} images have more than {limit} objects of one "
                f"class, up to {most.max()}; {limit} detections are looked at, which "
                "limits these numbers (not those of voc() and dsb2018()): see "
                "max_detections"
            )
        # The key is AR100, whatever the number is.
        shown = {name: name for name in METRICS} | {"AR100": f"AR{limit}"}
        rows = [["", *shown.values()]]
        for kind, metrics in self.items():
            rows.append([TITLES[kind], *(_cell(metrics[name]) for name in METRICS)])
        lines += ["", *_lines(rows, 8)]
        classes = [row for row in self.per_class() if row["objects"]]
        names = [*TITLES.values(), *(row["name"] for row in classes)]
        for kind in self:
            rows = [[TITLES[kind], "objects", *(shown[name] for name in CLASS_METRICS)]]
            for row in classes:
                cells = (_cell(row[kind][name]) for name in CLASS_METRICS)
                rows.append([row["name"], str(row["objects"]), *cells])
            lines += ["", *_lines(rows, max(map(len, names)) + 2)]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Returns everything as numbers, lists and dicts for json; nan becomes None.

        Keys: images, min_confidence, max_detections, coco (by kind), classes (rows of
        `per_class`), voc (by kind: area and 11_points, each with mean_ap and an ap a
        class), dsb2018 (where there are masks), confusion (by kind, at IoU 0.5 and
        score 0.5: labels and the rows of the matrix).
        """
        names = {0: "background"} | self.class_names
        labels = [names.get(i, str(i)) for i in range(1 + max(names))]
        voc, confusion = {}, {}
        for kind in self:
            voc[kind] = {}
            for name, use_07_metric in (("area", False), ("11_points", True)):
                found = self.voc(kind, use_07_metric=use_07_metric)
                aps = [found.ap[class_id] for class_id in self.class_names]
                voc[kind][name] = {"mean_ap": found.mean_ap, "ap": aps}
            matrix = self.confusion_matrix(kind).tolist()
            confusion[kind] = {"labels": labels, "true_by_detected": matrix}
        content = {
            "images": len(self.records),
            "min_confidence": self.min_confidence,
            "max_detections": self.max_detections,
            "coco": dict(self),
            "classes": self.per_class(),
            "voc": voc,
            "confusion": confusion,
        }
        if "segm" in self:
            content["dsb2018"] = self.dsb2018().score
        return _without_nan(content)

    def to_json(self, path: Any = None) -> str:
        """Returns `to_dict` as json text, and writes it to a file if given a path."""
        text = json.dumps(self.to_dict(), indent=2, allow_nan=False)
        if path is not None:
            path = Path(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n", encoding="utf-8")
        return text

    def plot(self, folder: Any) -> list[Path]:
        """Writes curves, AP by class and confusion as png files, and names them.

        Args:
            folder: made if it isn't there; files of the same names are replaced.
        """
        from mrcnn.evaluation.figures import write_figures

        return write_figures(self, folder)


def _most_objects(record: ImageRecord) -> int:
    """Returns the objects of the class that an image has most of."""
    objects = record.gt_class_ids[~record.gt_is_crowd]
    return int(np.bincount(objects).max(initial=0))


def _cell(value: float) -> str:
    """Returns a number of the table."""
    return "-" if math.isnan(value) else f"{value:.3f}"


def _lines(rows: list[list[str]], width: int) -> list[str]:
    """Returns rows of a table, the first cell of each in this width."""
    return [
        f"{head:{width}}" + "".join(f"{c:>7}" for c in cells) for head, *cells in rows
    ]


def _without_nan(value: Any) -> Any:
    """Returns the same dicts and lists, None for nan."""
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
