"""ValidationReport: what is wrong with a data set, as lists and as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

# Lines of one kind that a table shows; of the others it says how many there are.
MAX_ROWS = 5

# Kind -> what to do about it. Errors stop a training, or teach and measure what is
# false; in the order of the table.
ERROR_KINDS = {
    "missing file": "Correct the path, or remove the image from the data set.",
    "unreadable image": "Replace the file, or remove the image from the data set.",
    "image shape": "load_image must return uint8 [H, W, channels], as config says.",
    "unreadable masks": "Correct the annotation, or what load_mask does with it.",
    "mask size": "Draw the masks for the image as load_image returns it.",
    "exif rotation": "Give width and height of the annotated image to add_image().",
    "object count": "load_mask must return one class id for each mask.",
    "class id": "Return inside ids, from map_source_class_id(); see prepare().",
    "number of classes": "Set NUM_CLASSES to the classes and 1 for the background.",
    "source without classes": "Name one source in add_image() and add_class().",
    "nothing to learn": "Compare class names and ids, iscrowd, what load_mask returns.",
    "outside image": "Remove the object, or annotate the image as it is now.",
    "empty object": "Remove the object, or draw it anew.",
    "box and outline disagree": "Write bbox as [x, y, width, height] in px, or leave "
    "it out: boxes are measured with it.",
    "box beside the mask": "Object k of VOC's xml file is value k of its object image: "
    "bring both into one order, or masks get the classes of others.",
    "area is not that of the outline": "Write the area in px, or leave it out: objects "
    "are small, medium or large by it.",
    "duplicate id": "Give each image of a source an id of its own.",
    "leaked image": "Keep the image in one of the two data sets.",
}
WARNING_KINDS = {
    "duplicate image": "Keep one of them, with the objects of both.",
    "duplicate object": "Keep one of them.",
    "turned-over mask": "If that is the background, turn the mask over; of a label "
    "image, pass its value as ignore=[1].",
    "nested rings": "A mask with soft edges is no label image: save one number an "
    "object, or pass separate=True to open_dataset (--option separate=True).",
    "scattered object": "If masks show classes, not objects, pass separate=True to "
    "open_dataset (--option separate=True): each connected part is an object.",
    "exif note": "Look at its masks; if they lie beside, open it with exif='apply'.",
    "image size": "Correct width and height in add_image(); the file counts.",
    "area is that of the box": "AP of small and large objects goes by it; leave it "
    "out for that of the outlines.",
    "beyond border": "What lies outside is cut off; look whether the size is right.",
    "unknown class": "They are left out; add_class() takes them in.",
    "one-pixel object": "Look whether it is a slip of the annotator.",
    "lost object": "It is left out in training; raise IMAGE_MIN_DIM or IMAGE_MAX_DIM.",
    "thin object": "Raise MINI_MASK_SHAPE, or set USE_MINI_MASK = False.",
    "small box": "Add smaller RPN_ANCHOR_SCALES; anchor_report() suggests some.",
    "unmatched box": "Change scales or ratios of anchors; see anchor_report().",
    "many objects": "Raise MAX_GT_INSTANCES; each step trains a random choice of them.",
    "no objects": "Legal: such an image trains what is background.",
    "similar classes": "If they are one class, write it alike in all annotations.",
    "unused class": "Remove the class, or find out why nothing has it.",
}
KINDS = ERROR_KINDS | WARNING_KINDS


class Problem(NamedTuple):
    """One thing that is wrong.

    Attributes:
        kind: a key of ERROR_KINDS or WARNING_KINDS.
        image_id: inside id; None when it is not about one image.
        path: of the damaged file, an image or a mask; None without a file.
        instance: which object, by its place in what `load_mask` returns (in an
            AnnotatedDataset: `load_annotations`), from 0; None for the whole image.
        text: what is wrong with it.
    """

    kind: str
    image_id: int | None
    path: str | None
    instance: int | None
    text: str

    @property
    def severity(self) -> str:
        """The word error or warning."""
        return "error" if self.kind in ERROR_KINDS else "warning"

    def __str__(self) -> str:
        """Returns where and what, in one line."""
        where = "" if self.image_id is None else f"image {self.image_id}"
        if self.instance is not None:
            where += f", object {self.instance}"
        if self.path is not None:
            where += f" ({self.path})" if where else self.path
        return f"{where}: {self.text}" if where else self.text


@dataclass(frozen=True)
class ValidationReport:
    """What `Dataset.validate` found; `str()` is a table to read.

    Attributes:
        problems: list of Problem, in the order they were found.
        num_images: how many were checked.
        num_objects: how many were in them, crowds included.
    """

    problems: list[Problem]
    num_images: int
    num_objects: int

    @property
    def errors(self) -> list[Problem]:
        """Problems that stop a training, or teach or measure what is false."""
        return [p for p in self.problems if p.kind in ERROR_KINDS]

    @property
    def warnings(self) -> list[Problem]:
        """Problems that nothing breaks on, but a person should look at."""
        return [p for p in self.problems if p.kind in WARNING_KINDS]

    def __iter__(self) -> Iterator[Problem]:
        """Yields all problems, errors first."""
        return iter([*self.errors, *self.warnings])

    @property
    def ok(self) -> bool:
        """True without errors; warnings may be left."""
        return not self.errors

    def counts(self) -> dict[str, int]:
        """Returns how many problems there are of each kind that was found."""
        found = Counter(problem.kind for problem in self)
        return {kind: found[kind] for kind in KINDS if found[kind]}

    def of_kind(self, kind: str) -> list[Problem]:
        """Returns all problems of one kind.

        Raises:
            ValueError: there is no such kind.
        """
        if kind not in KINDS:
            known = ", ".join(KINDS)
            raise ValueError(f"of_kind({kind!r}): no such kind; kinds are {known}.")
        return [problem for problem in self if problem.kind == kind]

    def raise_for_errors(self, ignore: Iterable[str] = ()) -> None:
        """Raises ValueError with the table of errors, if there are any.

        Args:
            ignore: kinds of errors to let pass; or one.
        """
        ignore = {ignore} if isinstance(ignore, str) else set(ignore)
        for kind in ignore:
            self.of_kind(kind)  # says which kinds there are
        kinds = [kind for kind in ERROR_KINDS if kind not in ignore]
        left = sum(problem.kind in kinds for problem in self.errors)
        if left:
            rows = "\n".join(self._rows(kinds, MAX_ROWS))
            raise ValueError(f"validate(): {left} errors in the data set.\n{rows}")

    def table(self, max_rows: int | None = MAX_ROWS) -> str:
        """Returns the problems by kind, as text to print.

        Args:
            max_rows: lines shown of each kind; None shows all.
        """
        head = (
            f"{len(self.errors)} errors and {len(self.warnings)} warnings in "
            f"{self.num_images} images with {self.num_objects} objects"
        )
        return "\n".join([head, *self._rows(KINDS, max_rows)])

    __str__ = table

    def _rows(self, kinds: Iterable[str], max_rows: int | None) -> Iterator[str]:
        """Yields the lines of some kinds."""
        for kind in kinds:
            problems = self.of_kind(kind)
            if not problems:
                continue
            yield f"{problems[0].severity}: {kind} ({len(problems)}). {KINDS[kind]}"
            for problem in problems[:max_rows]:
                yield f"    {problem}"
            if max_rows is not None and len(problems) > max_rows:
                more = len(problems) - max_rows
                yield f"    and {more} more: report.of_kind({kind!r})"
