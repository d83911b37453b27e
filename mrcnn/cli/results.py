"""What `mrcnn detect` leaves: COCO json, csv, names for pictures, and a table."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mrcnn.cli.errors import number_of
from mrcnn.data import atomic_file
from mrcnn.evaluation.coco_format import boxes_to_xywh, crop_to_rle

JSON_FILE, CSV_FILE = "detections.json", "detections.csv"
CSV_HEAD = (
    *("image", "frame", "object", "class", "score", "area"),
    *("y1", "x1", "y2", "x2"),
)
# Rows of the printed table.
MAX_ROWS = 20


class _Summary(NamedTuple):
    """A line of the table: name, size, objects by class, areas in px.

    Of films the areas of all frames don't add up to anything.
    """

    name: str
    size: str
    counts: Counter
    areas: list[int]
    has_total: bool = True

    def row(self) -> list[str]:
        """Its cells."""
        common = self.counts.most_common(4)
        classes = ", ".join(f"{n} {name}" for name, n in common)
        if len(self.counts) > 4:
            classes += f", {len(self.counts) - 4} more"
        median = f"{np.median(self.areas):,.0f} px" if self.areas else "-"
        is_summed = self.areas and self.has_total
        total = f"{sum(self.areas):,} px" if is_summed else "-"
        return [self.name, self.size, f"{sum(self.counts.values())}"] + [
            *(median, total, classes)
        ]


class Results:
    """Collects the detections of many images and writes them as files.

    Args:
        folder: where they are written.
        class_names: name of class id i at i.
    """

    def __init__(self, folder: Path, class_names: Sequence[str]):
        self.folder, self.class_names = folder, list(class_names)
        self.images: list[dict] = []
        self.annotations: list[dict] = []
        self.rows: list[tuple] = []
        self.summaries: list[_Summary] = []
        self._stems: Counter = Counter()

    def add(self, path: Path, shape, found: dict, frame: int | None = None) -> None:
        """Takes the objects of an image.

        Args:
            path: of the image or film.
            shape: (height, width, ...), px.
            found: as of `detect(masks="crop")`.
            frame: number of the frame in a film, from 0.
        """
        height, width = (int(side) for side in shape[:2])
        name = self._name(path) + ("" if frame is None else f"#{frame}")
        image_id = len(self.images) + 1
        self.images.append(
            {"id": image_id, "file_name": name, "height": height, "width": width}
        )
        areas = [int(np.count_nonzero(mask)) for mask in found["masks"]]
        boxes = np.asarray(found["rois"]).reshape(-1, 4)
        xywh = boxes_to_xywh(boxes).tolist()
        class_ids = [int(i) for i in found["class_ids"]]
        for i, class_id in enumerate(class_ids):
            score = round(float(found["scores"][i]), 4)
            rle = crop_to_rle(found["masks"][i], boxes[i], height, width)
            self.annotations.append(
                {
                    "id": len(self.annotations) + 1,
                    "image_id": image_id,
                    "category_id": class_id,
                    "score": score,
                    "bbox": xywh[i],
                    "area": areas[i],
                    "iscrowd": 0,
                    "segmentation": rle,
                }
            )
            number = "" if frame is None else frame
            name = self.class_names[class_id]
            row = (path, number, i + 1, name, score, areas[i], *boxes[i].tolist())
            self.rows.append(row)
        counts = Counter(self.class_names[i] for i in class_ids)
        if frame is None:
            size = f"{height} x {width}"
            self.summaries.append(_Summary(path.name, size, counts, areas))

    def add_film(self, path: Path, frames: int, counts: Counter) -> None:
        """Takes the sums of a film, whose frames were added."""
        areas = [row[5] for row in self.rows if row[0] == path]
        size = number_of(frames, "frame")
        self.summaries.append(_Summary(path.name, size, counts, areas, False))

    def picture_path(self, path: Path, suffix: str = ".png") -> Path:
        """Returns a name for the picture of an image, of which each is given once."""
        self._stems[path.stem] += 1
        times = self._stems[path.stem]
        number = f"_{times}" if times > 1 else ""
        return self.folder / f"{path.stem}_detected{number}{suffix}"

    def write_json(self) -> Path:
        """Writes the detections as a COCO file; returns its path.

        `annotations` are those of a COCO annotation file, with a score each: what
        `COCO.loadRes` takes, and the whole file opens as a data set.
        """
        content = {
            "info": {"description": "Written by mrcnn detect"},
            "images": self.images,
            "annotations": self.annotations,
            "categories": [
                {"id": i, "name": name}
                for i, name in enumerate(self.class_names)
                if i > 0
            ],
        }
        with atomic_file(self.folder / JSON_FILE) as temporary:
            temporary.write_text(json.dumps(content), encoding="utf-8")
        return self.folder / JSON_FILE

    def write_csv(self) -> Path:
        """Writes a line an object; returns the path."""
        with atomic_file(self.folder / CSV_FILE) as temporary:
            with temporary.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(CSV_HEAD)
                writer.writerows(self.rows)
        return self.folder / CSV_FILE

    def table(self) -> str:
        """Returns the counts and areas of the images, as text to print."""
        from mrcnn.viz.tables import table_text

        rows = [
            ["image", "size", "objects", "median area", "total area", "classes"],
            *(summary.row() for summary in self.summaries[:MAX_ROWS]),
        ]
        if len(self.summaries) > MAX_ROWS:
            rows.append([f"and {len(self.summaries) - MAX_ROWS} more"])
        if len(self.summaries) > 1:
            size = f"{len(self.summaries)} files"
            counts = sum((summary.counts for summary in self.summaries), Counter())
            has_total = all(summary.has_total for summary in self.summaries)
            areas = [row[5] for row in self.rows]
            rows.append(_Summary("all", size, counts, areas, has_total).row())
        return table_text(rows)

    def _name(self, path: Path) -> str:
        """The path of an image from the folder of the json file."""
        try:
            return Path(
                os.path.relpath(path.resolve(), self.folder.resolve())
            ).as_posix()
        except ValueError:  # another drive
            return path.resolve().as_posix()
