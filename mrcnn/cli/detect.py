"""Find objects in images and videos.

    mrcnn detect photo.jpg folder/ 'scans/**/*.tif' --weights coco
    mrcnn detect video.mp4 --weights logs/shapes20240131T1200
    mrcnn detect slide.png --weights last --tile 512

The results are images with outlines, detections.json (COCO), detections.csv and a table
of counts and areas.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mrcnn.cli import arguments, pictures, weights
from mrcnn.cli.errors import (
    CommandError,
    explained,
    need,
    note,
    note_spared,
    number_of,
    plain,
    program,
    terminable,
)
from mrcnn.cli.inputs import find_inputs, is_video
from mrcnn.cli.results import Results
from mrcnn.config_checks import DETECTION_LIMITS, most_detections
from mrcnn.data import MAX_PIXELS
from mrcnn.engine import is_example
from mrcnn.geometry.resize_plan import plan_resize

OUTPUTS = ("pictures", "json", "csv")
# Tiles are advised when the model image keeps a smaller part of an image's pixels.
SHRUNK = 0.25
# In the modes in which large images stay large: tiles are advised when a side of the
# model image is longer than LARGE, px; TILE is the side that is advised, px.
LARGE, TILE = 2048, 512


def add(command: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    add = command.add_argument
    add("inputs", nargs="+", metavar="INPUT", help="images, videos, folders, patterns")
    arguments.add_weights(command)
    text = "folder of the results (default: a new one, results, results2, ...)"
    add("--output", type=Path, metavar="DIR", help=text)
    text = "of pictures,json,csv (default: all)"
    add("--save", default=",".join(OUTPUTS), metavar="A,B", help=text)
    text = "leave out detections with a lower score, 0..1"
    add("--min-score", type=float, metavar="P", help=text)
    text = "detect in tiles of this side, px; for images much larger than the model's"
    add("--tile", type=int, metavar="SIDE", help=text)
    text = (
        "px that tiles share; best larger than an object: below 1/32 of SIDE, objects "
        "on seams count twice (default: a quarter of SIDE)"
    )
    add("--overlap", type=int, metavar="PX", help=text)
    add("--batch", type=int, default=1, metavar="N", help="images or tiles at once")
    text = (
        "most pixels of an image that is read as a whole; a TIFF may be larger with "
        f"--tile (default: {MAX_PIXELS}; 0: any number)"
    )
    add("--max-pixels", type=int, default=MAX_PIXELS, metavar="N", help=text)
    add("--quiet", action="store_true", help="no progress bar and no table")


def run(args: argparse.Namespace) -> int:
    """Detects; returns 0, or 2 when a file has no result or no drawing."""
    inputs = find_inputs(args.inputs)
    save = _checked(args)
    arguments.need_folder(args.output, "--output")
    found = weights.find_weights(args.weights, args.logs)
    settings = list(args.settings)
    if args.min_score is not None:
        settings.append(f"DETECTION_MIN_CONFIDENCE={args.min_score}")
    setup = arguments.make_setup(args, found, settings)
    model = weights.load_model(setup, args.logs, args.quiet)
    job = Job(args, save, model, setup.class_names)
    with terminable():
        try:
            job.detect_all(inputs)
        finally:
            # What was found before an interruption isn't lost.
            job.finish()
    if not args.quiet and all(map(is_example, inputs)):
        print(
            f"With images of your own: {program()} detect FILES-OR-FOLDER "
            f"--weights {args.weights} --output FOLDER"
        )
    return 2 if job.failed else 0


def _checked(args: argparse.Namespace) -> list[str]:
    """Returns what to save; raises CommandError for impossible arguments."""
    save = [part.strip() for part in args.save.split(",") if part.strip()]
    for part in save:
        need(part in OUTPUTS, f"--save {part}: choose of {', '.join(OUTPUTS)}")
    need(args.batch >= 1, f"--batch {args.batch}: 1 or more")
    most = args.max_pixels
    need(most >= 0, f"--max-pixels {most}: 1 or more, or 0 for any number")
    score, side, overlap = args.min_score, args.tile, args.overlap
    if score is not None:
        need(0 <= score <= 1, f"--min-score {score:g}: from 0 to 1")
    if side is None:
        need(overlap is None, "--overlap: is that of tiles; name their side by --tile")
        return save
    need(side >= 1, f"--tile {side}: 1 px or more")
    if overlap is not None:
        most = side // 2
        fits = 0 <= overlap <= most
        need(fits, f"--overlap {overlap}: from 0 to {most} px, half of --tile {side}")
        _note_small_overlap(side, overlap)
    return save


def _note_small_overlap(side: int, overlap: int) -> None:
    """Says when tiles overlap so little that an object on a seam is counted twice."""
    from mrcnn.engine import edge_width

    if overlap < (least := 2 * edge_width(side)):
        note(
            f"--overlap {overlap}: objects on the seams of tiles are counted twice "
            f"below {least} px; best it is larger than an object"
        )


class Job:
    """One call of the command: goes through the files and writes what is found.

    Attributes:
        results: the detections.
        drawn: how many images and videos were drawn.
    """

    def __init__(self, args: argparse.Namespace, save, model, class_names):
        self.args, self.save, self.model = args, save, model
        self.class_names = class_names
        self.results = Results(args.output, class_names, save)
        self.drawn = self._total = 0
        self._has_advised = False
        # (what is full, what to do) of images with as many objects as there can be.
        self._full: list[tuple[str, str]] = []

    @property
    def failed(self) -> int:
        """How many files have no result or no drawing."""
        return len(self.results.failed)

    def detect_all(self, inputs: list[Path]) -> None:
        """Detects in all files; one that can't be done is reported and left out."""
        from tqdm import tqdm

        self._total = len(inputs)
        images = [path for path in inputs if not is_video(path)]
        off = self.args.quiet or not images
        # Tiles fill a batch by themselves.
        batch = 1 if self.args.tile else self.args.batch
        with tqdm(total=len(images), desc="detect", unit="image", disable=off) as bar:
            for start in range(0, len(images), batch):
                self._images(images[start : start + batch], bar)
        videos = [path for path in inputs if is_video(path)]
        if videos and batch > 1:
            note(f"--batch {batch}: frames of videos are detected one by one")
        for path in videos:
            with self._reporting(path):
                self._video(path)

    def _images(self, paths: list[Path], bar) -> None:
        """Detects in a batch of images and draws them."""
        images = {}
        for path in paths:
            with self._reporting(path):
                image = self._read(path)
                self._advise_tiles(path, image.shape)
                images[path] = image

        def show(done, total):
            bar.set_postfix_str(f"tile {done}/{total}")

        found: dict[Path, dict] = {}
        if len(images) > 1:
            # If one of them can't be done, each is tried alone.
            with contextlib.suppress(Exception):
                all_found = self._detect(list(images.values()), show)
                found = dict(zip(images, all_found, strict=True))
        for path, image in images.items():
            with self._reporting(path):
                result = found[path] if found else self._detect([image], show)[0]
                self.results.add(path, image.shape, result)
                self._full += _full_parts(self.model.config, path, image.shape, result)
                if "pictures" in self.save and self._can_be_drawn(path, image.shape):
                    whole = np.asarray(image)
                    drawn = pictures.draw_image(whole, result, self.class_names)
                    self.results.save_drawing(path, drawn)
                    self.drawn += 1
        bar.update(len(paths))

    def _read(self, path: Path):
        """Returns an image; for tiles one that may read its parts when needed."""
        from mrcnn.engine import as_image, tiled_image

        config, most = self.model.config, self.args.max_pixels or None
        if self.args.tile is not None:
            return tiled_image(path, config, max_pixels=most)
        channels, values = config.IMAGE_CHANNEL_COUNT, config.IMAGE_RANGE
        return as_image(path, channels, image_range=values, max_pixels=most)

    def _can_be_drawn(self, path: Path, shape) -> bool:
        """Returns False, and says so, for an image that is too large to draw."""
        most = self.args.max_pixels
        is_small = not most or shape[0] * shape[1] <= most
        if not is_small:
            note(f"{path}: not drawn, as it has more than {most} pixels (--max-pixels)")
        return is_small

    def _video(self, path: Path) -> None:
        """Detects in the frames of a video and draws them."""
        from skimage.color import rgb2gray

        from mrcnn.viz import video

        is_drawn, numbers = "pictures" in self.save, itertools.count()

        def annotate(frame):
            self._advise_tiles(path, frame.shape)
            image = frame
            if self.model.config.IMAGE_CHANNEL_COUNT == 1:
                image = np.rint(rgb2gray(frame) * 255).astype(np.uint8)
            (result,) = self._detect([image])
            self.results.add(path, frame.shape, result, next(numbers))
            if not is_drawn:
                return frame
            names = self.class_names
            return pictures.draw_objects(frame, result, names, color_by="class")

        desc = None if self.args.quiet else plain(path.name)
        with tempfile.TemporaryDirectory() as unused:
            folder = self.results.start().unfinished if is_drawn else Path(unused)
            target = folder / "video.mp4"
            try:
                video.map_video(annotate, path, target, desc=desc)
            finally:
                # The frames before an error, or an interruption, are kept.
                if is_drawn and target.is_file() and video.num_frames(target):
                    self.results.keep_video(path, target.name)
                    self.drawn += 1

    def _detect(self, images: list, on_tiles=None) -> list[dict]:
        """Returns what the model finds in images, in tiles if that is asked for."""
        tiles = {}
        if self.args.tile is not None:
            tiles = {"tile": self.args.tile, "overlap": self.args.overlap}
            tiles["on_tiles"] = on_tiles
        return self.model.detect(images, masks="crop", **tiles)

    @contextlib.contextmanager
    def _reporting(self, path: Path) -> Iterator[None]:
        """Prints what goes wrong with a file, and goes on with the next one.

        Whatever it is: a damaged file makes decoders and libraries fail in any way.
        """
        try:
            yield
        except CommandError:  # the place of the results
            raise
        except Exception as error:
            if self.args.debug:
                raise
            text = explained(error)
            self.results.failed[path] = text
            print(f"mrcnn detect: error: {plain(path)}: {text}", file=sys.stderr)

    def _advise_tiles(self, path: Path, shape) -> None:
        """Says once that tiles are better, before a large image takes all memory."""
        if self.args.tile is not None or self._has_advised:
            return
        config = self.model.config
        if reason := _reason_for_tiles(config, shape):
            self._has_advised = True
            note(f"{path}: {reason} in tiles: --tile {_tile_side(config)}")

    def finish(self) -> None:
        """Ends json and csv, and prints what there is."""
        try:
            written = self.results.close()
        finally:
            self._note_failed()
        if not self.results.sizes:
            return  # earlier results stay
        if self._full:
            what, remedy = self._full[0]
            more = len(self._full) - 1
            rest = f"; likewise in {more} more" if more else ""
            note(
                f"{what}, as many as the model gives{rest}; there may be more: "
                f"{remedy}{_larger_limits(self.model.config)}"
            )
        note_spared(self.results.own)
        if self.args.quiet:
            return
        print(self.results.table())
        if self.drawn:
            written.insert(0, number_of(self.drawn, "drawn image"))
        if written:
            folder = plain(self.results.folder.resolve())
            print(f"Written to {folder}: {', '.join(written)}")

    def _note_failed(self) -> None:
        """Lists the files that failed; one alone has just been named."""
        done = len({*self.results.sizes, *self.results.failed})
        if done < self._total:
            note(f"ended before the last file: {done} of {self._total} are done")
        if self.failed < 2:
            return
        print(f"mrcnn detect: {self.failed} files failed:", file=sys.stderr)
        for path, text in self.results.failed.items():
            print(f"  {plain(path)}: {text}", file=sys.stderr)


def _tile_side(config) -> int:
    """Returns the side of tiles, px, to recommend."""
    is_square = config.IMAGE_RESIZE_MODE == "square"
    return config.IMAGE_MAX_DIM if is_square else TILE


def _reason_for_tiles(config, shape) -> str | None:
    """Returns why to detect in tiles of an image; None where the whole is as good."""
    mode = config.IMAGE_RESIZE_MODE
    if mode == "square":
        share = (config.IMAGE_MAX_DIM / max(shape[:2])) ** 2
        text = (
            f"of its pixels the model sees {share:.0%}; for objects that are small in "
            "it, detect"
        )
        return text if share < SHRUNK else None
    sides = config.IMAGE_MIN_DIM, config.IMAGE_MAX_DIM, config.IMAGE_MIN_SCALE
    plan = plan_resize(shape, *sides, mode)
    height, width = np.add(plan.shape, np.sum(plan.padding[:2], axis=1))
    text = (
        f"for the model it becomes {height} x {width} px, which takes much memory and "
        "time; detect"
    )
    return text if max(height, width) > LARGE else None


def _full_parts(config, path: Path, shape, result: dict) -> list[tuple[str, str]]:
    """Returns (what is full, what to do) if objects may be missing in an image."""
    limit = most_detections(config)
    full_tiles = result.get("full_tiles")
    if full_tiles is None:
        if len(result["rois"]) < limit:
            return []
        # A part of an image has fewer.
        side = _tile_side(config)
        remedy = f"--tile {side}, or " if max(shape[:2]) > side else ""
        return [(f"{path}: it has {limit} objects", remedy)]
    if not len(full_tiles):
        return []
    has = "has" if len(full_tiles) == 1 else "have"
    what = f"{path}: {number_of(len(full_tiles), 'tile')} {has} {limit} objects"
    return [(what, "a smaller --tile, or ")]


def _larger_limits(config) -> str:
    """Returns arguments with which the model gives four times as many objects."""
    limit = most_detections(config)
    # An object takes several RoIs.
    larger = zip(DETECTION_LIMITS, (4 * limit, 8 * limit), strict=True)
    return " ".join(
        f"--set {name}={value}"
        for name, value in larger
        if value > getattr(config, name)
    )
