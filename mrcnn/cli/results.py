"""What `mrcnn detect` writes: COCO json, csv, drawings, and a table.

json and csv grow with each image and are whole files after it, so that nothing of what
was found is lost when the process ends, whatever the cause.
"""

from __future__ import annotations

import contextlib
import csv
import errno
import hashlib
import io
import itertools
import json
import os
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from mrcnn.cli.errors import (
    CommandError,
    note,
    number_of,
    one_line,
    plain,
    uninterrupted,
)
from mrcnn.data import OwnFiles, new_folder
from mrcnn.evaluation.coco_format import boxes_to_xywh, crop_to_rle

FOLDER = Path("results")
JSON_FILE, CSV_FILE = "detections.json", "detections.csv"
CSV_HEAD = (
    *("image", "frame", "object", "class", "score", "area"),
    *("y1", "x1", "y2", "x2"),
)
TABLE_HEAD = ["image", "size", "objects", "median area", "total area", "classes"]
# Rows of the printed table.
MAX_ROWS = 20
# Bytes: the longest name of a file is 255, and the drawing's is longer.
MAX_STEM = 200
# The list of images is written anew each time; where it is longer than LONG bytes less
# often, so that this takes at most one part in JSON_SHARE of the time.
LONG, JSON_SHARE = 1 << 20, 50
# Errors about the place of the results: they would come again with the next file.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
# What would break a line of the csv, or isn't UTF-8; and a backslash that would be read
# as one of these.
_UNSAFE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]|\\(?=u[0-9a-f]{4})"
)


class Results:
    """Writes the detections of images, one after the other.

    Args:
        folder: where they are written; None for a new folder, `results` or a number
            more. It is made with the first result.
        class_names: name of class id i at i.
        save: which of "json" and "csv" are written.
    """

    def __init__(
        self,
        folder: Path | None,
        class_names: Sequence[str],
        save: Sequence[str] = ("json", "csv"),
    ):
        self.folder, self.class_names = folder, list(class_names)
        self.save = save
        self.own: OwnFiles | None = None
        # Why a file has no result, by its path.
        self.failed: dict[Path, str] = {}
        # Height and width of images, number of frames of videos.
        self.sizes: dict[Path, str] = {}
        # (class name, area) of the objects of each file.
        self.objects: dict[Path, list[tuple[str, int]]] = {}
        self._videos: set[Path] = set()
        self._num_images = self._num_objects = 0
        self._json: _Json | None = None
        self._csv: _GrowingFile | None = None

    def start(self) -> OwnFiles:
        """Makes the folder; returns what writes into it.

        Raises:
            CommandError: it can't be written to, or another process writes into it.
        """
        if self.own is not None:
            return self.own
        with _ending():
            if self.folder is None:
                self.folder = new_folder(FOLDER)
                if self.folder != FOLDER:
                    note(
                        f"{FOLDER} is there already: the results are in {self.folder} "
                        f"(--output {FOLDER} replaces those of an earlier run)"
                    )
            self.own = OwnFiles(self.folder)
        return self.own

    def add(self, path: Path, shape, found: dict, frame: int | None = None) -> None:
        """Writes the objects of an image.

        Args:
            path: of the image or video.
            shape: (height, width, ...), px.
            found: as of `detect(masks="crop")`.
            frame: number of the frame in a video, from 0.

        Raises:
            CommandError: a file can't be written.
        """
        height, width = (int(side) for side in shape[:2])
        number, size = "", f"{height} x {width}"
        if frame is not None:
            number, size = frame, number_of(frame + 1, "frame")
        image_id = self._num_images + 1
        boxes = np.asarray(found["rois"]).reshape(-1, 4)
        xywh = boxes_to_xywh(boxes).tolist()
        annotations, rows = [], []
        for i, box in enumerate(boxes):
            mask, class_id = found["masks"][i], int(found["class_ids"][i])
            area = int(np.count_nonzero(mask))
            score = round(float(found["scores"][i]), 4)
            annotations.append(
                {
                    "id": self._num_objects + i + 1,
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
            rows.append((*what, *box.tolist()))
        with _ending():
            self.start()
            name = self._name(path) + ("" if frame is None else f"#{frame}")
            image = {"id": image_id, "file_name": name}
            image |= {"height": height, "width": width}
            if "json" in self.save:
                self._json = self._json or _Json(self.own, self.class_names)
                self._json.add(image, annotations)
            if "csv" in self.save:
                self._csv = self._csv or _GrowingFile(
                    self.own, CSV_FILE, _csv_lines([CSV_HEAD])
                )
                self._csv.extend(_csv_lines(rows))
        self._num_images += 1
        self._num_objects += len(annotations)
        self.sizes[path] = size
        self.objects.setdefault(path, []).extend((row[3], row[5]) for row in rows)
        if frame is not None:
            self._videos.add(path)

    def save_drawing(self, path: Path, drawn: np.ndarray) -> None:
        """Writes the drawing of an image, uint8 [H, W, 3]."""
        with _ending(*_FULL):
            own = self.start()
            Image.fromarray(drawn).save(own.unfinished / "drawing.png")
            own.keep("drawing.png", _drawing_name(path, ".png"))

    def keep_video(self, path: Path, unfinished: str) -> None:
        """Moves the drawing of a video to its place, from `own.unfinished`."""
        with _ending(*_FULL):
            self.own.keep(unfinished, _drawing_name(path, ".mp4"))

    def close(self) -> list[str]:
        """Ends json and csv; returns their names."""
        files = [file for file in (self._json, self._csv) if file is not None]
        try:
            with _ending():
                if self._json is not None:
                    self._json.end(
                        {"file_name": self._name(path), "error": text}
                        for path, text in self.failed.items()
                    )
        finally:
            for file in files:
                file.close()
            if self.own is not None:
                self.own.close()
        return [file.path.name for file in files]

    def table(self) -> str:
        """Returns the counts and areas of the images, as text to print."""
        from mrcnn.viz.tables import table_text

        lines = [TABLE_HEAD]
        for path in list(self.sizes)[:MAX_ROWS]:
            # The areas of an object in all frames don't add up to anything.
            has_total = path not in self._videos
            objects = self.objects[path]
            lines.append(_table_row(path.name, self.sizes[path], objects, has_total))
        if (count := len(self.sizes)) > MAX_ROWS:
            lines.append([f"and {count - MAX_ROWS} more"])
        if count > 1:
            objects = list(itertools.chain.from_iterable(self.objects.values()))
            has_total = not any(self.objects[path] for path in self._videos)
            lines.append(_table_row("all", f"{count} files", objects, has_total))
        return table_text(lines)

    def _name(self, path: Path) -> str:
        """Returns the path of an image from the folder of the json file."""
        path = path.resolve()
        with contextlib.suppress(ValueError):  # another drive
            path = Path(os.path.relpath(path, self.folder.resolve()))
        return path.as_posix()


class _GrowingFile:
    """A file of ours that is whole after each write: what has been written, and an end.

    Args:
        own: the folder.
        name: of the file.
        body: its beginning.
        end: what stands after the last part, until the next one.
    """

    def __init__(self, own: OwnFiles, name: str, body: bytes, end: bytes = b""):
        (own.unfinished / name).write_bytes(body + end)
        self.path, self._own = own.keep(name), own
        self._file = self.path.open("r+b", buffering=0)
        self._sum, self._size, self._end = hashlib.sha256(body), len(body), end

    def extend(self, part: bytes, end: bytes = b"") -> None:
        """Writes a part and another end; after an OSError the file is as before."""
        body = self._sum.copy()
        body.update(part)
        whole = body.copy()
        whole.update(end)
        with uninterrupted():
            self._own.enter(self.path.name, whole.hexdigest())
            try:
                self._write(part + end)
            except OSError:
                self._write(self._end)  # in the place that it had
                raise
        self._sum, self._end = body, end
        self._size += len(part)

    def _write(self, data: bytes) -> None:
        """Writes data after the body, as the end of the file."""
        self._file.seek(self._size)
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]
        self._file.truncate()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


class _Json(_GrowingFile):
    """The detections as a COCO file.

    `annotations` are those of a COCO annotation file, with a score each: what
    `COCO.loadRes` takes, and the whole file opens as a data set. They grow; the images
    stand after them.
    """

    def __init__(self, own: OwnFiles, class_names: Sequence[str]):
        categories = [{"id": i, "name": n} for i, n in enumerate(class_names)][1:]
        head = {
            "info": {"description": "Written by mrcnn detect"},
            "categories": categories,
        }
        body = json.dumps(head)[:-1] + ', "annotations": ['
        self._images, self._waiting = bytearray(), bytearray()
        self._is_empty, self._next = True, 0.0
        super().__init__(own, JSON_FILE, body.encode(), self._tail())

    def add(self, image: dict, annotations: list[dict]) -> None:
        """Writes an image and its objects, at the latest with a later one."""
        self._images += b", " * bool(self._images) + json.dumps(image).encode()
        for annotation in annotations:
            self._waiting += b", " * (not self._is_empty)
            self._waiting += json.dumps(annotation).encode()
            self._is_empty = False
        if len(self._images) < LONG or time.monotonic() >= self._next:
            self.end()

    def end(self, failed: Iterable[dict] = ()) -> None:
        """Writes all that waits, and the files without a result."""
        start = time.monotonic()
        self.extend(bytes(self._waiting), self._tail(list(failed)))
        self._waiting.clear()
        done = time.monotonic()
        self._next = done + JSON_SHARE * (done - start)

    def _tail(self, failed: Sequence[dict] = ()) -> bytes:
        """Returns the end of the file."""
        failed = f', "failed": {json.dumps(failed)}' if failed else ""
        return b'], "images": [%b]%b}' % (self._images, failed.encode())


@contextlib.contextmanager
def _ending(*numbers: int) -> Iterator[None]:
    """Turns an OSError into a CommandError, which ends the command.

    Args:
        *numbers: of the errors that do; all without them.
    """
    try:
        yield
    except OSError as error:
        if numbers and error.errno not in numbers:
            raise
        text = one_line(error)
        if error.errno in _FULL:
            text += (
                "; make room for the results, then detect in the files that are left"
            )
        raise CommandError(text) from error


def _csv_lines(rows: Iterable[Sequence]) -> bytes:
    r"""Returns lines of the csv; what would break them is written as \u000a."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(
        [_UNSAFE.sub(_escape, str(cell)) for cell in row] for row in rows
    )
    return text.getvalue().encode()


def _escape(match: re.Match) -> str:
    return f"\\u{ord(match[0]):04x}"


def _drawing_name(path: Path, suffix: str) -> str:
    """Returns the name of the drawing of an image or video."""
    stem = path.stem
    if len(os.fsencode(stem)) > MAX_STEM:
        stem = os.fsencode(stem)[:MAX_STEM].decode(errors="ignore")
    return f"{stem}_detected{suffix}"


def _table_row(
    name: str, size: str, objects: Sequence[tuple[str, int]], has_total: bool
) -> list[str]:
    """Returns the cells of a line of the table: name, size and sums over objects."""
    counts = Counter(name for name, _ in objects)
    classes = ", ".join(f"{n} {name}" for name, n in counts.most_common(4))
    if len(counts) > 4:
        classes += f", {len(counts) - 4} more"
    areas = [area for _, area in objects]
    median = f"{np.median(areas):,.0f} px" if areas else "-"
    total = f"{sum(areas):,} px" if areas and has_total else "-"
    cells = [name, size, f"{len(objects)}", median, total, classes]
    return [plain(cell) for cell in cells]
