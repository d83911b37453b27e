"""Applies a function to each frame of a video, with OpenCV."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

UNKNOWN_RATE = 25.0  # frames a second, for files that don't say
# A video is cut if more than one frame and more than this share of them are missing: in
# some formats the number of frames is an estimate.
MAX_MISSING = 0.01


def map_video(
    function: Callable[[np.ndarray], np.ndarray],
    source: str | Path,
    target: str | Path,
    desc: str | None = None,
) -> int:
    """Writes a video of `function(frame)` for each frame; returns how many there are.

        def annotate(frame):
            r = model.detect([frame], masks="crop")[0]
            return draw_instances(
                frame, r["rois"], r["masks"], r["class_ids"], names, r["scores"],
                color_by="class",
            )

        map_video(annotate, "street.mp4", "street_detected.mp4", desc="detect")

    Args:
        function: gets uint8 [H, W, 3] RGB, returns uint8 [h, w, 3] RGB, of one size for
            all frames.
        source: the video to read.
        target: the video to write, .avi (motion JPEG) or .mp4; the rate is that of the
            source, sound is lost.
        desc: text of the progress bar; None shows no bar.

    Raises:
        ValueError: OpenCV can't read the source or write the target, the source ends
            before its last frame (the target has those before), or the function
            returns something else than a frame.
        OSError: the target could not be written to its end.
    """
    if not _is_utf8(target):
        raise ValueError(
            f"map_video(target={str(target)!r}): OpenCV can't write to a name that is "
            "not UTF-8; name another."
        )
    with _utf8_name(source) as name:
        count, total = _map_frames(function, name, Path(target), desc)
    if count == 0:
        raise ValueError(
            f"map_video(source={str(source)!r}): OpenCV found no frame in this file; "
            "is it a video, and is its codec installed?"
        )
    if (written := num_frames(target)) < count:
        raise OSError(
            f"map_video(target={str(target)!r}): {written} of {count} frames could be "
            "written; is the disk full?"
        )
    if total - count > max(1, MAX_MISSING * total):
        raise ValueError(
            f"map_video(source={str(source)!r}): {count} of its {total} frames can be "
            "read: the file is cut or damaged; copy or record it again. Those that can "
            "be read are done."
        )
    return count


def num_frames(path: str | Path) -> int:
    """Returns how many frames a video says to have; 0 for a file that is none."""
    import cv2

    with _utf8_name(path) as name:
        reader = cv2.VideoCapture(name)
        count = int(reader.get(cv2.CAP_PROP_FRAME_COUNT))
        reader.release()
        return max(0, count)


def _map_frames(function, source: str, target: Path, desc) -> tuple[int, int]:
    """Writes the frames; returns how many, and how many the source says to have."""
    import cv2
    from tqdm import tqdm

    total = num_frames(source)
    reader = cv2.VideoCapture(source)
    writer = cv2.VideoWriter()
    count = 0
    try:
        rate = reader.get(cv2.CAP_PROP_FPS) or UNKNOWN_RATE
        with tqdm(
            total=total or None, unit="frame", desc=desc, disable=desc is None
        ) as bar:
            while True:
                more, frame = reader.read()
                if not more:
                    break
                # OpenCV's channels are BGR, ours RGB.
                result = np.asarray(function(np.ascontiguousarray(frame[:, :, ::-1])))
                if count == 0:
                    shape = result.shape
                    _open(writer, target, rate, shape)
                if result.shape != shape or result.dtype != np.uint8:
                    # OpenCV would leave the frame out and say nothing.
                    raise ValueError(
                        f"map_video(function): returned {result.dtype} {result.shape} "
                        f"for frame {count}, expected uint8 {shape}; return RGB frames "
                        "of one size."
                    )
                writer.write(np.ascontiguousarray(result[:, :, ::-1]))
                count += 1
                bar.update()
    finally:
        reader.release()
        writer.release()
    return count, total


def _is_utf8(path: str | Path) -> bool:
    """Returns whether OpenCV can take a name: on others it ends the whole process."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


@contextlib.contextmanager
def _utf8_name(path: str | Path) -> Iterator[str]:
    """Yields a name for a file that OpenCV can take."""
    if _is_utf8(path):
        yield str(path)
        return
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / "video"
        link.symlink_to(Path(path).resolve())
        yield str(link)


def _open(writer, target, rate, shape):
    """Opens the writer for frames of this shape; ValueError if it can't be."""
    import cv2

    if len(shape) != 3 or shape[2] != 3:
        raise ValueError(
            f"map_video(function): returned shape {shape}, expected uint8 [H, W, 3]."
        )
    codec = "mp4v" if target.suffix.lower() == ".mp4" else "MJPG"
    fourcc = cv2.VideoWriter_fourcc(*codec)
    if not writer.open(str(target), fourcc, rate, (shape[1], shape[0])):
        raise ValueError(
            f"map_video(target={str(target)!r}): OpenCV can't write this file; use "
            ".avi or .mp4 in a folder that exists."
        )
