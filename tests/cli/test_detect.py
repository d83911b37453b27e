from __future__ import annotations

import csv
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from mrcnn.cli.detect import Job, _note_small_overlap
from mrcnn.cli.errors import program
from mrcnn.data.formats.open_dataset import open_dataset
from mrcnn.engine.weights import bundled
from mrcnn.viz.video import map_video
from tests.cli.conftest import DetectingConfig


@pytest.fixture(scope="module")
def photos(tmp_path_factory, cells):
    """Two pictures, one of them grey and not square, and a file that is none."""
    folder = tmp_path_factory.mktemp("photos")
    image = Image.open(cells / "images" / "train" / "t0.png")
    image.save(folder / "a.png")
    image.convert("L").crop((0, 0, 40, 48)).save(folder / "b.png")
    return folder


@pytest.fixture(scope="module")
def results(tmp_path_factory, photos, logs):
    """What one call leaves: folder, and what it printed."""
    import contextlib
    import io

    from mrcnn.cli.main import main

    folder, out = tmp_path_factory.mktemp("results"), io.StringIO()
    argv = ["detect", photos, "--weights", "last", "--logs", logs, "--output", folder]
    with contextlib.redirect_stdout(out):
        assert main([str(a) for a in argv]) == 0
    return folder, out.getvalue()


def rows_of(folder):
    with (folder / "detections.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def names_in(folder):
    """Names of the files in a folder, without the list of those that we wrote."""
    return sorted(path.name for path in folder.iterdir() if path.name[0] != ".")


def test_the_run_tells_config_and_classes_and_all_files_are_written(results):
    folder, out = results
    assert names_in(folder) == [
        *("a_detected.png", "b_detected.png", "detections.csv", "detections.json")
    ]
    rows = rows_of(folder)
    assert rows and {row["class"] for row in rows} <= {"box", "bar"}
    assert str(folder) in out


def test_the_table_counts_what_the_csv_lists(results):
    folder, out = results
    rows = rows_of(folder)
    lines = {line.split()[0]: line.split() for line in out.splitlines() if line}
    for name in ("a.png", "b.png"):
        count = sum(row["image"].endswith(name) for row in rows)
        assert count and lines[name][4] == str(count)
    assert lines["all"][3] == str(len(rows))


def test_the_table_has_median_and_total_area(results):
    folder, out = results
    areas = [int(row["area"]) for row in rows_of(folder)]
    (line,) = [line for line in out.splitlines() if line.startswith("all ")]
    assert f"{np.median(areas):,.0f} px  " in line
    assert f"{sum(areas):,} px  " in line


def test_bundled_images_end_with_how_to_detect_in_others(
    run, photos, weights, tmp_path, monkeypatch
):
    argv = ["detect", photos / "a.png", "--weights", weights, "--output", tmp_path]
    _, out, _ = run(*argv)
    assert "of your own" not in out
    monkeypatch.setattr(bundled, "BUNDLED", photos.parent)
    _, out, _ = run(*argv)
    last = out.splitlines()[-1]
    assert f" detect FILES-OR-FOLDER --weights {weights} --output" in last
    assert "own" not in run(*argv, "--quiet")[1]


@pytest.mark.parametrize(
    ("called", "on_path", "message"),
    [
        ("/usr/bin/mrcnn", True, "mrcnn"),
        ("{here}/.venv/bin/mrcnn", False, ".venv/bin/mrcnn"),
        ("/opt/bin/mrcnn", False, "/opt/bin/mrcnn"),
        ("{here}/mrcnn/__main__.py", False, "python -m mrcnn"),
    ],
)
def test_the_command_is_named_as_it_can_be_called(
    monkeypatch, tmp_path, called, on_path, message
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [called.format(here=tmp_path)])
    monkeypatch.setattr(sys, "executable", "/usr/bin/python")
    monkeypatch.setattr("shutil.which", lambda name: name if on_path else None)
    assert program() == message


def test_json_and_csv_say_the_same_and_open_as_a_data_set(results):
    folder, _ = results
    content = json.loads((folder / "detections.json").read_text())
    rows = rows_of(folder)
    assert len(content["annotations"]) == len(rows)
    for row, annotation in zip(rows, content["annotations"], strict=True):
        assert int(row["area"]) == annotation["area"]
        x, y, width, height = annotation["bbox"]
        box = [int(row[side]) for side in ("y1", "x1", "y2", "x2")]
        assert box == [y, x, y + height, x + width]
    sizes = [(image["height"], image["width"]) for image in content["images"]]
    assert sizes == [(48, 64), (48, 40)]
    dataset = open_dataset(folder / "detections.json")
    assert dataset.class_names == ["BG", "box", "bar"]
    assert dataset.load_image(1).shape == (48, 40, 3)
    for image_id in dataset.image_ids:
        masks, _ = dataset.load_mask(image_id)
        areas = [
            a["area"] for a in content["annotations"] if a["image_id"] == image_id + 1
        ]
        assert np.count_nonzero(masks, axis=(0, 1)).tolist() == areas


def test_annotations_are_a_coco_result(results):
    from pycocotools.coco import COCO

    path = results[0] / "detections.json"
    rows = json.loads(path.read_text())["annotations"]
    assert len(COCO(str(path)).loadRes(rows).getAnnIds()) == len(rows)


def test_small_pictures_are_drawn_larger(results):
    assert Image.open(results[0] / "a_detected.png").size == (4 * 64, 4 * 48)


def test_tiles_score_and_choice_of_files(run, photos, weights, tmp_path):
    big = np.tile(np.asarray(Image.open(photos / "a.png")), (3, 3, 1))
    Image.fromarray(big).save(tmp_path / "big.png")
    code, out, err = run(
        *("detect", tmp_path / "big.png", "--weights", weights, "--tile", 64),
        *("--overlap", 16, "--save", "json", "--output", tmp_path / "out", "--quiet"),
        *("--min-score", 0.05, "--set", "DETECTION_MAX_INSTANCES=3", "--batch", 2),
    )
    assert (code, out) == (0, "")
    assert names_in(tmp_path / "out") == ["detections.json"]
    content = json.loads((tmp_path / "out" / "detections.json").read_text())
    boxes = np.array([a["bbox"] for a in content["annotations"]])
    assert boxes[:, 0].max() > 64  # found beyond the first tile
    assert min(a["score"] for a in content["annotations"]) >= 0.05
    assert len(err) == 1 and "--set DETECTION_MAX_INSTANCES=12" in err[0]


def test_a_large_image_without_tiles_gets_a_hint(run, photos, weights, tmp_path):
    Image.open(photos / "a.png").resize((640, 480)).save(tmp_path / "large.png")
    code, _, err = run(
        *("detect", tmp_path / "large.png", "--weights", weights, "--quiet"),
        *("--save", "csv", "--output", tmp_path),
    )
    assert code == 0
    assert any("the model sees 1%" in line and "--tile 64" in line for line in err)


def job_of(folder, tile=None, save=(), **values):
    """What the command does with a model that finds three objects, or no memory."""
    found = {
        "rois": np.array([(0, 0, 5, 5)] * 3, np.int32),
        "masks": [np.ones((5, 5), bool)] * 3,
        "class_ids": np.ones(3, np.int32),
        "scores": np.ones(3, np.float32),
    }
    config = DetectingConfig()
    for name, value in values.items():
        setattr(config, name, value)

    def detect(images, masks, tile=None, overlap=None, on_tiles=None):
        full = {} if tile is None else {"full_tiles": np.array([(0, 0, tile, tile)])}
        return [{**found, **full} for _ in images]

    model = SimpleNamespace(config=config, detect=detect)
    args = SimpleNamespace(
        output=folder, tile=tile, overlap=None, quiet=True, batch=1, debug=False
    )
    args.max_pixels = 0
    return Job(args, save, model, ["BG", "box", "bar"])


def gray_pictures(folder, *sides):
    paths = [folder / f"{number}.png" for number in range(len(sides))]
    for path, (height, width) in zip(paths, sides, strict=True):
        Image.new("RGB", (width, height), (90, 90, 90)).save(path)
    return paths


@pytest.mark.parametrize(
    ("limits", "side", "tile", "message"),
    [
        (
            (3, 20),
            200,
            None,
            "--tile 64, or --set DETECTION_MAX_INSTANCES=12 --set",
        ),
        ((3, 20), 200, 100, "a smaller --tile, or --set DETECTION_MAX_INSTANCES=12"),
        ((3, 20), 60, None, ": --set DETECTION_MAX_INSTANCES=12 --set POST_NMS_ROIS_"),
        ((100, 3), 60, None, ": --set POST_NMS_ROIS_INFERENCE=24"),
        ((4, 4), 60, None, ""),
    ],
)
def test_an_image_with_as_many_objects_as_there_can_be_is_reported(
    tmp_path, capsys, limits, side, tile, message
):
    names = ("DETECTION_MAX_INSTANCES", "POST_NMS_ROIS_INFERENCE")
    job = job_of(tmp_path, tile, **dict(zip(names, limits, strict=True)))
    job.detect_all(gray_pictures(tmp_path, (side, side)))
    capsys.readouterr()
    job.finish()
    err = capsys.readouterr().err
    assert message in err and bool(err) is bool(message)


@pytest.mark.parametrize(
    ("mode", "min_scale", "sides", "message"),
    [
        ("pad64", 2.0, (60, 1100), "becomes 128 x 2240 px"),
        ("pad64", 2.0, (60, 1024), ""),
        ("pad64", 0, (60, 1100), ""),
        ("none", 2.0, (64, 2112), "becomes 64 x 2112 px"),
        ("none", 2.0, (64, 2048), ""),
    ],
)
def test_tiles_are_advised_once_before_a_large_model_image_takes_the_memory(
    tmp_path, capsys, mode, min_scale, sides, message
):
    values = {"IMAGE_RESIZE_MODE": mode, "IMAGE_MIN_SCALE": min_scale}
    job = job_of(tmp_path, IMAGE_MIN_DIM=0, **values)
    found, seen = job.model.detect, []

    def detect(*args, **options):
        seen.append(capsys.readouterr().err)
        return found(*args, **options)

    job.model.detect = detect
    job.detect_all(gray_pictures(tmp_path, sides, sides))
    if not message:
        assert seen == ["", ""]
        return
    assert message in seen[0] and seen[0].endswith("in tiles: --tile 512\n")
    assert seen[1] == ""


@pytest.mark.parametrize("error", [MemoryError(), OSError("the disk is full")])
def test_a_picture_that_cannot_be_drawn_is_reported_and_the_others_are(
    tmp_path, capsys, monkeypatch, error
):
    def draw(image, *_):
        if image.shape[0] == 60:
            raise error
        return image

    monkeypatch.setattr("mrcnn.cli.pictures.draw_image", draw)
    job = job_of(tmp_path / "out", save=("pictures", "csv"))
    job.detect_all(gray_pictures(tmp_path, (60, 60), (50, 50)))
    job.finish()
    line = capsys.readouterr().err.splitlines()[0]
    assert "0.png: " in line and line.endswith(str(error) or "MemoryError")
    assert (job.failed, job.drawn) == (1, 1)
    assert (tmp_path / "out" / "1_detected.png").is_file()
    assert len(rows_of(tmp_path / "out")) == 6  # what was found isn't lost


@pytest.mark.parametrize("overlap", [0, 3, 4])
def test_an_overlap_too_small_to_count_objects_once_is_reported(capsys, overlap):
    _note_small_overlap(64, overlap)
    err = capsys.readouterr().err
    assert ("counted twice below 4 px" in err) == (overlap < 4)


def test_videos_are_detected_frame_by_frame(run, photos, weights, tmp_path):
    first = np.asarray(Image.open(photos / "a.png"))
    frames, written = [first, first[:, ::-1], first], iter(range(3))
    map_video(lambda frame: frames[next(written)], *_video_of(frames, tmp_path))
    video = tmp_path / "video.avi"
    out = tmp_path / "out"
    code, text, _ = run("detect", video, "--weights", weights, "--output", out)
    assert code == 0 and "3 frames" in text
    assert {row["frame"] for row in rows_of(out)} == {"0", "1", "2"}
    content = json.loads((out / "detections.json").read_text())
    assert [image["file_name"][-2:] for image in content["images"]] == [
        "#0",
        "#1",
        "#2",
    ]
    assert (out / "video_detected.mp4").stat().st_size > 0
    assert "Written" in text and ": 1 drawn image, " in text


def test_frames_of_a_video_that_breaks_off_are_counted(
    run, photos, weights, tmp_path, monkeypatch
):
    def break_off(function, *_, **__):
        drawn.append(function(np.asarray(Image.open(photos / "a.png"))))
        raise ValueError("the video breaks off")

    drawn = []
    monkeypatch.setattr("mrcnn.viz.video.map_video", break_off)
    video, out = tmp_path / "video.avi", tmp_path / "out"
    video.touch()
    argv = ["detect", video, "--weights", weights, "--output", out, "--batch", 2]
    code, text, err = run(*argv)
    assert code == 2 and "1 frame " in text and rows_of(out)
    assert "drawn" not in text
    assert sum("--batch 2: frames of videos" in line for line in err) == 1
    # Drawn only for videos that are kept.
    run(*argv, "--save", "json")
    photo = np.asarray(Image.open(photos / "a.png"))
    assert [np.array_equal(photo, frame) for frame in drawn] == [False, True]


def _video_of(frames, folder):
    """(source, target) for map_video: a video of frames, written by OpenCV."""
    import cv2

    height, width = frames[0].shape[:2]
    fourcc = cv2.VideoWriter_fourcc(*"MJPG")
    path = folder / "source.avi"
    writer = cv2.VideoWriter(str(path), fourcc, 5, (width, height))
    for frame in frames:
        writer.write(np.ascontiguousarray(frame[:, :, ::-1]))
    writer.release()
    return path, folder / "video.avi"


def test_a_broken_file_is_reported_and_the_others_are_done(
    run, photos, weights, tmp_path
):
    (tmp_path / "broken.png").write_text("no picture")
    Image.open(photos / "a.png").save(tmp_path / "good.png")
    out = tmp_path / "out"
    code, _, err = run(
        *("detect", tmp_path, "--weights", weights, "--output", out, "--quiet")
    )
    assert code == 2
    assert "broken.png" in err[0]
    assert not any("broken.png" in line for line in err[1:])
    assert (out / "good_detected.png").is_file() and rows_of(out)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--save", "gif"], "--save gif"),
        (["--overlap", "5"], "--tile"),
        (["--tile", "64", "--overlap", "40"], "--overlap 40: from 0 to 32"),
        (["--tile", "0"], "--tile 0:"),
        (["--batch", "0"], "--batch 0"),
        (["--max-pixels", "-1"], "--max-pixels -1"),
        (["--weights", "nothing.h5"], "nothing.h5"),
        (["--preset", "small"], "config.json"),
        (["--classes", "one"], "--classes"),
        (["--set", "DETECTION_MIN_CONFIDENC=1"], "DETECTION_MIN_CONFIDENCE"),
        (["--min-score", "7"], "--min-score 7:"),
    ],
)
def test_mistakes_are_reported_before_any_work(run, photos, weights, argv, message):
    code, out, err = run("detect", photos, "--weights", weights, *argv)
    assert (code, out, len(err)) == (2, "", 1)
    assert message in err[0]
