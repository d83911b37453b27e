"""What `mrcnn detect` writes: COCO json, csv, names of image files, and a table."""

from __future__ import annotations

import contextlib
import csv
import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mrcnn.cli.errors import number_of
from mrcnn.data import atomic_file
from mrcnn.evaluation.coco_format import boxes_to_xywh, crop_to_rle

JSON_FILE, CSV_FILE = "detections.json", "detections.csv"
CSV_HEAD = (
    *("image", "frame", "object", "class", "score", "area"),
    *("y1", "x1", "y2", "x2"),
)
TABLE_HEAD = ["image", "size", "objects", "median area", "total area", "classes"]
# Rows of the printed table.
MAX_ROWS = 20


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
        # An object each, by CSV_HEAD.
        self.rows: list[dict] = []
        # Height and width of images, number of frames of videos.
        self.sizes: dict[Path, str] = {}
        self._stems: Counter = Counter()

    def add(self, path: Path, shape, found: dict, frame: int | None = None) -> None:
        """Adds the objects of an image.

        Args:
            path: of the image or video.
            shape: (height, width, ...), px.
            found: as of `detect(masks="crop")`.
            frame: number of the frame in a video, from 0.
        """
        height, width = (int(side) for side in shape[:2])
        name, number, size = self._name(path), "", f"{height} x {width}"
        if frame is not None:
            name, number = f"{name}#{frame}", frame
            size = number_of(frame + 1, "frame")
        self.sizes[path] = size
        image_id = len(self.images) + 1
        self.images.append(
            {"id": image_id, "file_name": name, "height": height, "width": width}
        )
        boxes = np.asarray(found["rois"]).reshape(-1, 4)
        xywh = boxes_to_xywh(boxes).tolist()
        for i, box in enumerate(boxes):
            mask, class_id = found["masks"][i], int(found["class_ids"][i])
            area = int(np.count_nonzero(mask))
            score = round(float(found["scores"][i]), 4)
            self.annotations.append(
                {
                    "id": len(self.annotations) + 1,
                    "image_id": image_id,
                    "category_id": class_id,
                    "score": score,
                    "bbox": xywh[i],
                    "area": area,
                    "iscrowd": 0,
                    "segmentation": crop_to_rle(mask, box, height, width),
                }
            )
            what = (path, number, i + 1, self.class_names[class_id], score, area)
            row = dict(zip(CSV_HEAD, (*what, *box.tolist()), strict=True))
            self.rows.append(row)

    def drawing_path(self, path: Path, suffix: str = ".png") -> Path:
        """Returns a path for the drawing of an image, each one once.

        The folder is made.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._stems[path.stem] += 1
        times = self._stems[path.stem]
        number = f"_{times}" if times > 1 else ""
        return self.folder / f"{path.stem}_detected{number}{suffix}"

    def write_json(self) -> Path:
        """Writes the detections as a COCO file; returns its path.

        `annotations` are those of a COCO annotation file, with a score each: what
        `COCO.loadRes` takes, and the whole file opens as a data set.
        """
        categories = [{"id": i, "name": n} for i, n in enumerate(self.class_names)]
        content = {
            "info": {"description": "Written by mrcnn detect"},
            "images": self.images,
            "annotations": self.annotations,
            "categories": categories[1:],
        }
        with atomic_file(self.folder / JSON_FILE) as temporary:
            temporary.write_text(json.dumps(content), encoding="utf-8")
        return self.folder / JSON_FILE

    def write_csv(self) -> Path:
        """Writes a line an object; returns the path."""
        with atomic_file(self.folder / CSV_FILE) as temporary:
            with temporary.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, CSV_HEAD)
                writer.writeheader()
                writer.writerows(self.rows)
        return self.folder / CSV_FILE

    def table(self) -> str:
        """Returns the counts and areas of the images, as text to print."""
        from mrcnn.viz.tables import table_text

        by_file: dict[Path, list[dict]] = {path: [] for path in self.sizes}
        for row in self.rows:
            by_file[row["image"]].append(row)
        lines = [TABLE_HEAD]
        for path in list(by_file)[:MAX_ROWS]:
            lines.append(_table_row(path.name, self.sizes[path], by_file[path]))
        if len(by_file) > MAX_ROWS:
            lines.append([f"and {len(by_file) - MAX_ROWS} more"])
        if len(by_file) > 1:
            lines.append(_table_row("all", f"{len(by_file)} files", self.rows))
        return table_text(lines)

    def _name(self, path: Path) -> str:
        """Returns the path of an image from the folder of the json file."""
        path = path.resolve()
        with contextlib.suppress(ValueError):  # another drive
            path = Path(os.path.relpath(path, self.folder.resolve()))
        return path.as_posix()


def _table_row(name: str, size: str, rows: list[dict]) -> list[str]:
    """Returns the cells of a line of the table: name, size and sums over objects."""
    counts = Counter(row["class"] for row in rows)
    classes = ", ".join(f"{n} {name}" for name, n in counts.most_common(4))
    if len(counts) > 4:
        classes += f", {len(counts) - 4} more"
    areas = [row["area"] for row in rows]
    median = f"{np.median(areas):,.0f} px" if areas else "-"
    # The areas of an object in all frames of a video don't add up to anything.
    has_total = areas and all(row["frame"] == "" for row in rows)
    total = f"{sum(areas):,} px" if has_total else "-"
    return [name, size, f"{len(rows)}", median, total, classes]
