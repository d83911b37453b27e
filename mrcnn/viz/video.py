"""A function over every frame of a film, by OpenCV."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

UNKNOWN_RATE = 25.0  # frames a second, for files that don't say


def map_video(
    function: Callable[[np.ndarray], np.ndarray],
    source: str | Path,
    target: str | Path,
    desc: str | None = None,
) -> int:
    """Number of frames written: `function` of each frame of a film, in order.

    Args:
        function: gets uint8 [H, W, 3] RGB, returns the same shape and type.
        source: the film to read.
        target: the film to write, .avi (motion JPEG) or .mp4; size and rate are those
            of the source, sound is lost.
        desc: text of the progress bar; None shows no bar.

    Raises:
        ImportError: OpenCV isn't installed.
        ValueError: OpenCV can't read the source or write the target.
    """
    try:
        import cv2
    except ImportError as error:
        raise ImportError(
            "map_video reads and writes films with OpenCV; install it: "
            "pip install opencv-python-headless"
        ) from error
    from tqdm import tqdm

    reader = cv2.VideoCapture(str(source))
    writer = cv2.VideoWriter()
    count = 0
    try:
        total = max(0, int(reader.get(cv2.CAP_PROP_FRAME_COUNT))) or None
        rate = reader.get(cv2.CAP_PROP_FPS) or UNKNOWN_RATE
        with tqdm(total=total, unit="frame", desc=desc, disable=desc is None) as bar:
            while True:
                more, frame = reader.read()
                if not more:
                    break
                # OpenCV's channels are BGR, ours RGB.
                result = function(np.ascontiguousarray(frame[:, :, ::-1]))
                if count == 0:
                    _open(writer, Path(target), rate, frame.shape)
                writer.write(np.ascontiguousarray(result[:, :, ::-1]))
                count += 1
                bar.update()
    finally:
        reader.release()
        writer.release()
    if count == 0:
        raise ValueError(
            f"map_video(source={str(source)!r}): OpenCV found no frame in this file; "
            "is it a film, and is its codec installed?"
        )
    return count


def _open(writer, target, rate, shape):
    """Open the writer for frames of this shape."""
    import cv2

    codec = "mp4v" if target.suffix.lower() == ".mp4" else "MJPG"
    fourcc = cv2.VideoWriter_fourcc(*codec)
    if not writer.open(str(target), fourcc, rate, (shape[1], shape[0])):
        raise ValueError(
            f"map_video(target={str(target)!r}): OpenCV can't write this file; use "
            ".avi or .mp4 in a folder that exists."
        )
