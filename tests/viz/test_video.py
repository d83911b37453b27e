"""A function over the frames of a video."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest

from mrcnn.viz.video import map_video

cv2 = pytest.importorskip("cv2", reason="needs OpenCV")
HEIGHT, WIDTH, COUNT = 48, 64, 5


@pytest.fixture
def video(tmp_path):
    """Five frames, red in the left half, ever brighter."""
    path = tmp_path / "source.avi"
    codec = cv2.VideoWriter_fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), codec, 10.0, (WIDTH, HEIGHT))
    for i in range(COUNT):
        frame = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        frame[:, : WIDTH // 2, 2] = 120 + 20 * i  # BGR
        writer.write(frame)
    writer.release()
    return path


def frames_of(path):
    reader = cv2.VideoCapture(str(path))
    frames = []
    while (read := reader.read())[0]:
        frames.append(read[1])
    return frames, reader.get(cv2.CAP_PROP_FPS)


@pytest.mark.parametrize("suffix", [".avi", ".mp4"])
def test_each_frame_goes_through_the_function_as_rgb(video, tmp_path, suffix):
    seen = []

    def swap_sides(image):
        seen.append(image)
        return image[:, ::-1]

    target = tmp_path / f"result{suffix}"
    assert map_video(swap_sides, video, target) == COUNT
    assert seen[0].shape == (HEIGHT, WIDTH, 3) and seen[0].dtype == np.uint8
    brightness = [image[:, :20, 0].mean() for image in seen]  # red comes first
    np.testing.assert_allclose(brightness, [120, 140, 160, 180, 200], atol=12)
    frames, rate = frames_of(target)
    assert len(frames) == COUNT and rate == pytest.approx(10)
    assert frames[-1][:, -20:, 2].mean() > 150 > 50 > frames[-1][:, :20, 2].mean()


def test_progress_is_shown_when_named(video, tmp_path, capsys):
    map_video(lambda image: image, video, tmp_path / "a.avi")
    assert capsys.readouterr().err == ""
    map_video(lambda image: image, video, tmp_path / "b.avi", desc="splash")
    assert "splash" in capsys.readouterr().err


def test_what_is_no_video_is_an_error(tmp_path):
    path = tmp_path / "text.avi"
    path.write_text("no video")
    with pytest.raises(ValueError, match=r"text\.avi"):
        map_video(lambda image: image, path, tmp_path / "a.avi")


def test_a_video_that_breaks_off_is_an_error_with_its_numbers(tmp_path):
    path, rng = tmp_path / "cut.avi", np.random.default_rng(0)
    codec = cv2.VideoWriter_fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), codec, 10.0, (WIDTH, HEIGHT))
    for _ in range(20):
        writer.write(rng.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8))
    writer.release()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    target = tmp_path / "a.avi"
    with pytest.raises(ValueError, match=r"cut\.avi.* \d of its 20 frames"):
        map_video(lambda image: image, path, target)
    assert 0 < len(frames_of(target)[0]) < 10  # what could be read is kept


def test_a_name_that_is_not_utf_8_does_not_end_the_process(video, tmp_path):
    name = video.with_name(os.fsdecode(b"caf\xe9\n.avi"))
    video.rename(name)
    assert map_video(lambda image: image, name, tmp_path / "a.avi") == COUNT
    with pytest.raises(ValueError, match="not UTF-8"):
        map_video(lambda image: image, tmp_path / "a.avi", name)


def test_a_video_that_does_not_fit_on_the_disk_is_an_error(video, tmp_path):
    resource = pytest.importorskip("resource")
    rng = np.random.default_rng(0)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, before[1]))
    try:
        with pytest.raises((OSError, ValueError), match=r"a\.avi"):
            map_video(
                lambda _: rng.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8),
                *(video, tmp_path / "a.avi"),
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, old)


def test_a_target_that_cannot_be_written_is_an_error(video, tmp_path):
    with pytest.raises(ValueError, match="nowhere"):
        map_video(lambda image: image, video, tmp_path / "nowhere" / "a.avi")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda image: image[:, :, 0], r"returned shape \(48, 64\)"),
        (lambda image: None, r"returned shape \(\)"),
        (lambda image: image / 255, r"float64 \(48, 64, 3\) for frame 0.*uint8"),
    ],
)
def test_what_is_no_frame_is_an_error(video, tmp_path, function, message):
    with pytest.raises(ValueError, match=message):
        map_video(function, video, tmp_path / "a.avi")


def test_frames_of_two_sizes_are_an_error(video, tmp_path):
    sizes = iter([48, 48, 40, 48, 48])
    with pytest.raises(ValueError, match=r"\(40, 64, 3\) for frame 2"):
        map_video(lambda image: image[: next(sizes)], video, tmp_path / "a.avi")


def test_the_video_may_have_another_size_than_its_source(video, tmp_path):
    target = tmp_path / "a.avi"
    map_video(lambda image: image.repeat(2, 0).repeat(2, 1), video, target)
    frames, _ = frames_of(target)
    assert [frame.shape for frame in frames] == [(2 * HEIGHT, 2 * WIDTH, 3)] * COUNT
