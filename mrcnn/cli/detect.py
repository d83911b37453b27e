"""Find objects in images and films.

    mrcnn detect photo.jpg folder/ 'scans/**/*.tif' --weights coco
    mrcnn detect film.mp4 --weights logs/shapes20240131T1200
    mrcnn detect slide.png --weights last --tile 512

Pictures with outlines, detections.json (COCO), detections.csv and a table of counts
and areas are the result.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from mrcnn.cli import arguments, weights
from mrcnn.cli.errors import CommandError, number_of, one_line, program
from mrcnn.cli.inputs import find_inputs, is_video
from mrcnn.config_checks import DETECTION_LIMITS, most_detections
from mrcnn.engine import is_example
from mrcnn.geometry.resize_plan import plan_resize

OUTPUTS = ("pictures", "json", "csv")
# Of the pixels of an image, what is left of them in the model image, below which it is
# said that tiles keep more.
SHRUNK = 0.25
# px, side of a model image that isn't of a size of its own, from which on it is said
# that tiles need less memory; and the side of the tiles.
LARGE, TILE = 2048, 512


def add(command: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    add = command.add_argument
    add("inputs", nargs="+", metavar="INPUT", help="images, films, folders, patterns")
    arguments.add_weights(command)
    text = "folder of the results (default: results)"
    add("--output", type=Path, default=Path("results"), help=text)
    text = "of pictures,json,csv (default: all)"
    add("--save", default=",".join(OUTPUTS), metavar="A,B", help=text)
    add(
        "--min-score", type=float, metavar="P", help="leave out what is less sure, 0..1"
    )
    text = "detect in tiles of this side, px; for images much larger than the model's"
    add("--tile", type=int, metavar="SIDE", help=text)
    text = (
        "px that tiles share; best larger than an object, below 1/32 of SIDE those on "
        "seams count twice (default: a quarter of SIDE)"
    )
    add("--overlap", type=int, metavar="PX", help=text)
    add("--batch", type=int, default=1, metavar="N", help="images or tiles at once")
    add("--quiet", action="store_true", help="no progress bar and no table")


def run(args: argparse.Namespace) -> int:
    """Detects; 0, or 2 when a file could not be read."""
    inputs = find_inputs(args.inputs)
    save = _checked(args)
    arguments.need_folder(args.output, "--output")
    found = weights.find_weights(args.weights, args.logs)
    settings = list(args.settings)
    if args.min_score is not None:
        settings.append(f"DETECTION_MIN_CONFIDENCE={args.min_score}")
    setup = weights.inference_setup(
        found,
        preset=args.preset,
        settings=settings,
        class_names=arguments.class_names(args),
        batch=args.batch,
    )
    model = weights.load_model(setup, args.logs, args.quiet)
    job = _Job(args, save, model, setup.class_names)
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
    if unknown := [part for part in save if part not in OUTPUTS]:
        raise CommandError(f"--save {unknown[0]}: choose of {', '.join(OUTPUTS)}")
    if args.batch < 1:
        raise CommandError(f"--batch {args.batch}: 1 or more")
    if args.overlap is not None and args.tile is None:
        raise CommandError("--overlap: is that of tiles; name their side by --tile")
    if args.min_score is not None and not 0 <= args.min_score <= 1:
        raise CommandError(f"--min-score {args.min_score:g}: from 0 to 1")
    if args.tile is not None:
        _check_tiles(args.tile, args.overlap)
    return save


def _check_tiles(side: int, overlap: int | None) -> None:
    """Raises CommandError for impossible tiles; says what poor ones do."""
    if side < 1:
        raise CommandError(f"--tile {side}: 1 px or more")
    if overlap is None:
        return
    if not 0 <= overlap <= side // 2:
        raise CommandError(
            f"--overlap {overlap}: from 0 to {side // 2} px, half of --tile {side}"
        )
    from mrcnn.engine import edge_width

    if overlap < (least := 2 * edge_width(side)):
        print(
            f"mrcnn: note: --overlap {overlap}: objects on the seams of tiles are "
            f"counted twice below {least} px; best it is larger than an object",
            file=sys.stderr,
        )


class _Job:
    """One call of the command: what it detects with, and what it has found."""

    def __init__(self, args, save, model, class_names):
        from mrcnn.cli.results import Results

        self.args, self.save, self.model = args, save, model
        self.class_names = class_names
        self.results = Results(args.output, class_names)
        self.failed, self.pictures = 0, 0
        self.is_told = False
        # What is told in the end: images with as many objects as there can be.
        self.full: list[tuple[str, str]] = []

    def detect_all(self, inputs: list[Path]) -> None:
        """Goes through all files; one that can't be read is told and passed over."""
        from tqdm import tqdm

        images = [path for path in inputs if not is_video(path)]
        off = self.args.quiet or not images
        with tqdm(
            total=len(images), desc="detect", unit="image", disable=off
        ) as self.bar:
            # Tiles fill a batch by themselves.
            size = 1 if self.args.tile else self.args.batch
            for start in range(0, len(images), size):
                self._images(images[start : start + size])
        self.bar.disable = True
        films = [path for path in inputs if is_video(path)]
        if films and self.args.batch > 1 and not self.args.tile:
            batch = self.args.batch
            self._say(f"--batch {batch}: frames of films are detected one by one")
        for path in films:
            self._guard(path, self._film)

    def _guard(self, path, function, *arguments):
        """Calls a function of a path; prints what went wrong with the file."""
        try:
            return function(path, *arguments)
        except (OSError, ValueError, MemoryError) as error:
            if self.args.debug:
                raise
            self.failed += 1
            print(f"mrcnn detect: error: {path}: {one_line(error)}", file=sys.stderr)
            return None

    def _images(self, paths: list[Path]) -> None:
        """Detects in a batch of images."""
        from mrcnn.engine import as_image

        channels = self.model.config.IMAGE_CHANNEL_COUNT
        read = [(p, self._guard(p, as_image, channels)) for p in paths]
        read = [(path, image) for path, image in read if image is not None]
        for path, image in read:
            self._advise_tiles(path, image.shape)
        found = self._detect([image for _, image in read])
        for (path, image), result in zip(read, found, strict=True):
            self.results.add(path, image.shape, result)
            self._note(path, image.shape, result)
            if "pictures" in self.save:
                self._guard(path, self._picture, image, result)
        self.bar.update(len(paths))

    def _detect(self, images: list) -> list[dict]:
        if self.args.tile is None:
            return self.model.detect(images, masks="crop") if images else []
        from mrcnn.engine import detect_tiled

        def show(done, total):
            if not self.bar.disable:
                self.bar.set_postfix_str(f"tile {done}/{total}")

        side, overlap = self.args.tile, self.args.overlap
        return [
            detect_tiled(self.model, image, side, overlap, on_tiles=show)
            for image in images
        ]

    def _picture(self, path, image, result) -> None:
        from PIL import Image

        from mrcnn.cli.pictures import draw_picture

        self.args.output.mkdir(parents=True, exist_ok=True)
        picture = draw_picture(image, result, self.class_names)
        Image.fromarray(picture).save(self.results.picture_path(path))
        self.pictures += 1

    def _note(self, path, shape, result) -> None:
        """Notes an image in which objects may be missing."""
        limit = most_detections(self.model.config)
        full = result.get("full_tiles")
        if full is None and len(result["rois"]) >= limit:
            # A part of an image has fewer.
            is_large = max(shape[:2]) > self._side()
            tiles = f"--tile {self._side()}, or " if is_large else ""
            self.full.append((f"{path}: it has {limit} objects", tiles))
        if full is not None and len(full):
            has = "has" if len(full) == 1 else "have"
            text = f"{path}: {number_of(len(full), 'tile')} {has} {limit} objects"
            self.full.append((text, "a smaller --tile, or "))

    def _advise_tiles(self, path, shape) -> None:
        """Says once that tiles are better, before a large image takes all memory."""
        if self.args.tile is not None or self.is_told:
            return
        config = self.model.config
        if config.IMAGE_RESIZE_MODE == "square":
            share = (config.IMAGE_MAX_DIM / max(shape[:2])) ** 2
            if share >= SHRUNK:
                return
            what = f"of its pixels the model sees {share:.0%}; for objects that are "
            what += "small in it, detect"
        else:
            height, width = _model_sides(config, shape)
            if max(height, width) <= LARGE:
                return
            what = f"for the model it becomes {height} x {width} px, which takes much "
            what += "memory and time; detect"
        self.is_told = True
        self._say(f"{path}: {what} in tiles: --tile {self._side()}")

    def _side(self) -> int:
        """Side of tiles, px, to recommend."""
        config = self.model.config
        is_square = config.IMAGE_RESIZE_MODE == "square"
        return config.IMAGE_MAX_DIM if is_square else TILE

    def _say(self, text: str) -> None:
        from tqdm import tqdm

        tqdm.write(f"mrcnn: note: {text}", file=sys.stderr)

    def _film(self, path: Path) -> None:
        """Detects in the frames of a film."""
        import tempfile

        from mrcnn.cli.pictures import draw_frame
        from mrcnn.viz.video import map_video

        counts, frames = Counter(), 0
        is_drawn = "pictures" in self.save

        def annotate(frame):
            nonlocal frames
            self._advise_tiles(path, frame.shape)
            image = _with_channels(frame, self.model.config.IMAGE_CHANNEL_COUNT)
            (result,) = self._detect([image])
            self.results.add(path, frame.shape, result, frames)
            counts.update(self.class_names[i] for i in result["class_ids"])
            frames += 1
            if not is_drawn:
                return frame
            return draw_frame(frame, result, self.class_names)

        desc = None if self.args.quiet else path.name
        with tempfile.TemporaryDirectory() as folder:
            target = self.results.picture_path(path, ".mp4")
            if is_drawn:
                self.args.output.mkdir(parents=True, exist_ok=True)
            else:
                target = Path(folder) / target.name
            try:
                map_video(annotate, path, target, desc=desc)
                self.pictures += is_drawn
            finally:
                if frames:  # also of a film that breaks off
                    self.results.add_film(path, frames, counts)

    def finish(self) -> None:
        """Writes json and csv, and prints what there is."""
        if not self.results.images:
            return  # earlier results stay
        written = []
        if "json" in self.save:
            written.append(self.results.write_json())
        if "csv" in self.save:
            written.append(self.results.write_csv())
        if self.full:
            rest = f"; likewise in {len(self.full) - 1} more" if self.full[1:] else ""
            text, tiles = self.full[0]
            self._say(
                f"{text}, as many as the model gives{rest}; there may be more: {tiles}"
                f"{_larger_limits(self.model.config)}"
            )
        if self.args.quiet:
            return
        print(self.results.table())
        if self.pictures:
            written.insert(0, number_of(self.pictures, "picture"))
        if written:
            names = ", ".join(w if isinstance(w, str) else w.name for w in written)
            print(f"Written to {self.args.output.resolve()}: {names}")


def _model_sides(config, shape) -> tuple[int, int]:
    """Height and width of the model image of an image, px."""
    (h, w), padding = plan_resize(
        shape,
        config.IMAGE_MIN_DIM,
        config.IMAGE_MAX_DIM,
        config.IMAGE_MIN_SCALE,
        config.IMAGE_RESIZE_MODE,
    )[1:4:2]
    return h + sum(padding[0]), w + sum(padding[1])


def _larger_limits(config) -> str:
    """Arguments with which the model gives four times as many objects."""
    limit = most_detections(config)
    # An object takes several RoIs.
    larger = zip(DETECTION_LIMITS, (4 * limit, 8 * limit), strict=True)
    return " ".join(
        f"--set {name}={value}"
        for name, value in larger
        if value > getattr(config, name)
    )


def _with_channels(frame, channels: int):
    """A frame of a film as the model takes it."""
    if channels == 1:
        import numpy as np
        from skimage.color import rgb2gray

        return np.rint(rgb2gray(frame) * 255).astype(np.uint8)
    return frame
