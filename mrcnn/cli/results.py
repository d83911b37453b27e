"""What `mrcnn detect` leaves: COCO json, csv, pictures, and a table."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn.cli.errors import number_of
from mrcnn.data.atomic import atomic_file
from mrcnn.evaluation.coco_format import boxes_to_xywh, crop_to_rle

JSON_FILE, CSV_FILE = "detections.json", "detections.csv"
CSV_HEAD = (
    *("image", "frame", "object", "class", "score", "area"),
    *("y1", "x1", "y2", "x2"),
)
# Rows of the printed table.
MAX_ROWS = 20
# From so many objects on, boxes and texts hide more than they tell.
CROWDED = 40
# px, shorter side from which a picture is drawn at its own size.
SMALL_SIDE = 512


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
        self.summaries: list[tuple[str, str, Counter, float]] = []
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
            self.summaries.append((path.name, size, counts, _median(areas)))

    def add_film(self, path: Path, frames: int, counts: Counter) -> None:
        """Takes the sums of a film, whose frames were added."""
        areas = [row[5] for row in self.rows if row[0] == path]
        self.summaries.append(
            (path.name, number_of(frames, "frame"), counts, _median(areas))
        )

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

        rows = [["image", "size", "objects", "median area", "classes"]]
        for name, size, counts, median in self.summaries[:MAX_ROWS]:
            rows.append(_table_row(name, size, counts, median))
        if len(self.summaries) > MAX_ROWS:
            rows.append([f"and {len(self.summaries) - MAX_ROWS} more"])
        if len(self.summaries) > 1:
            total = sum((counts for _, _, counts, _ in self.summaries), Counter())
            areas = [row[5] for row in self.rows]
            size = f"{len(self.summaries)} files"
            rows.append(_table_row("all", size, total, _median(areas)))
        return table_text(rows)

    def _name(self, path: Path) -> str:
        """The path of an image from the folder of the json file."""
        try:
            return Path(
                os.path.relpath(path.resolve(), self.folder.resolve())
            ).as_posix()
        except ValueError:  # another drive
            return path.resolve().as_posix()


def draw(image: np.ndarray, found: dict, class_names: Sequence[str], **style: Any):
    """Returns the picture of an image with its objects: uint8 [h, w, 3].

    Small images are drawn larger; among many objects there are outlines alone.

    Args:
        image: uint8 [H, W, 1 or 3].
        found: as of `detect(masks="crop")`.
        class_names: name of class id i at i.
        **style: of `draw_instances`.
    """
    from mrcnn.viz.frames import draw_instances

    crowded = len(found["rois"]) > CROWDED
    if crowded:
        style = {"captions": [None] * len(found["rois"]), "show_bbox": False, **style}
    return draw_instances(
        image,
        found["rois"],
        found["masks"],
        found["class_ids"],
        class_names,
        found["scores"],
        **style,
    )


def picture_scale(shape) -> int:
    """Returns how many times larger a small image is drawn."""
    return max(1, min(4, round(SMALL_SIDE / max(1, min(shape[:2])))))


def _median(areas) -> float:
    return float(np.median(areas)) if len(areas) else float("nan")


def _table_row(name: str, size: str, counts: Counter, median: float) -> list[str]:
    classes = ", ".join(f"{n} {name}" for name, n in counts.most_common(4))
    if len(counts) > 4:
        classes += f", {len(counts) - 4} more"
    area = "-" if np.isnan(median) else f"{median:.0f} px"
    return [name, size, str(sum(counts.values())), area, classes]
