"""Images that can't be loaded: what a training leaves out, says, counts and lists."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

# Part of the images of a data set that may fail before it counts as wrong altogether.
MAX_FAILED_PART = 1 / 4
# So many failures without one image between them are no accident either.
MAX_FAILURES_IN_A_ROW = 10
# Images that one message lists.
MAX_LISTED = 10


class BadDataError(ValueError):
    """Too many images of a data set can't be loaded; names them and their errors."""


class Failure(NamedTuple):
    """An image that could not be loaded.

    Attributes:
        image_id: inside id.
        text: type and text of the error, with id and path of the image.
    """

    image_id: int
    text: str


class Batch(dict[str, np.ndarray]):
    """The arrays of a batch by name, and which images they are of.

    Attributes:
        image_ids: list of inside ids, in the order of the rows.
        failures: list of Failure: images in whose place others are.
    """

    def __init__(self, arrays, image_ids: list[int], failures: list[Failure]):
        super().__init__(arrays)
        self.image_ids = image_ids
        self.failures = failures


class FailureLog:
    """Counts the images of a data set that are left out; warns of each of them once.

    Attributes:
        found: text of the error by inside id.
    """

    def __init__(self, where: str, num_images: int):
        """Starts with no failure.

        Args:
            where: names the function and the data set, in messages.
            num_images: of the data set.
        """
        self.where, self.num_images = where, num_images
        self.found: dict[int, str] = {}

    def add(self, failures: Iterable[Failure]) -> None:
        """Warns of failures that are new.

        Raises:
            BadDataError: more than a quarter of the images have failed.
        """
        for image_id, text in failures:
            if image_id in self.found:
                continue
            self.found[image_id] = text
            warnings.warn(
                f"{self.where}: an image is left out, another takes its place: {text}. "
                "dataset.validate() finds all such images; ON_DATA_ERROR = 'raise' in "
                "the Config ends with the first.",
                stacklevel=2,
            )
        if len(self.found) > MAX_FAILED_PART * self.num_images:
            raise BadDataError(
                f"{self.summary()}\nThat is more than a quarter. Correct load_image, "
                "load_mask or the files; dataset.validate() finds all such images."
            )

    def summary(self) -> str:
        """Returns how many images failed, and lists them; "" for none."""
        if not self.found:
            return ""
        texts = [f"\n  {self.found[i]}" for i in sorted(self.found)]
        more = len(texts) - MAX_LISTED
        listed = "".join(texts[:MAX_LISTED]) + (f"\n  and {more} more" * (more > 0))
        return (
            f"{self.where}: {len(texts)} of {self.num_images} images can't be loaded "
            f"and were left out:{listed}"
        )
