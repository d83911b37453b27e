"""`mrcnn detect` beside files of the user, over damaged files, and when it is ended."""

from __future__ import annotations

import csv
import errno
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from mrcnn.cli.errors import CommandError
from mrcnn.cli.results import Results
from mrcnn.data import OwnFiles, open_dataset
from tests.cli.conftest import DetectingConfig
from tests.conftest import ROOT

LATIN_1 = os.fsdecode(b"caf\xe9.png")  # not UTF-8
FOUND = {
    "rois": np.array([(0, 0, 5, 5)] * 3, np.int32),
    "masks": [np.ones((5, 5), bool)] * 3,
    "class_ids": np.ones(3, np.int32),
    "scores": np.ones(3, np.float32),
}


def checksums(*folders):
    """Of all files, a link's target among them."""
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file()
    }


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def names_of(path):
    """Names in the json, without folders."""
    images = json.loads(path.read_bytes().decode())["images"]
    return sorted(os.path.basename(image["file_name"]) for image in images)


def unescaped(text):
    """As docs/command.md says."""
    return re.sub(r"\\u([0-9a-f]{4})", lambda m: chr(int(m[1], 16)), text)


@pytest.fixture
def photos(tmp_path):
    """A folder as people have it: good names, odd names, damaged files, links."""
    folder, other = tmp_path / "photos", tmp_path / "other"
    folder.mkdir(), other.mkdir()
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 255, (48, 64, 3), np.uint8))
    names = ("a.png", "b.png", "a_detected.png", "a\nb.png", "-x.png", 'q",.png')
    for name in (*names, LATIN_1, "c\x1b[31m.png", "l" * 240 + ".png"):
        image.save(folder / name)
    image.save(other / "mine.png")
    (folder / "b_detected.png").symlink_to(other / "mine.png")
    (folder / "gone.png").symlink_to(other / "gone.png")
    (folder / "loop.png").symlink_to(folder / "loop.png")
    (folder / "loop").symlink_to(folder)
    (folder / "detections.json").write_text('{"my": "own"}')
    (folder / "detections.csv").symlink_to(other / "mine.csv")
    (other / "mine.csv").write_text("my,own\n")
    image.save(folder / "cut.tif", compression="tiff_lzw")
    whole = (folder / "cut.tif").read_bytes()
    (folder / "cut.tif").write_bytes(whole[: len(whole) // 2])
    # A png of 100,000 x 100,000 pixels, without them.
    bomb = bytearray((folder / "a.png").read_bytes())
    bomb[16:24] = (100_000).to_bytes(4, "big") * 2
    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4, "big")
    (folder / "bomb.png").write_bytes(bomb)
    return folder


DAMAGED = {"bomb.png", "cut.tif"}


def find(images, **_):
    """What a model does that finds the same everywhere."""
    return [FOUND for _ in images]


@pytest.fixture
def detect_in(run, weights, monkeypatch):
    """Calls the command with a model that finds the same everywhere."""
    model = SimpleNamespace(config=DetectingConfig(), detect=find)
    monkeypatch.setattr("mrcnn.cli.weights.load_model", lambda *_: model)

    def call(*argv, detect=find):
        model.detect = detect
        return run("detect", *argv, "--weights", weights)

    return call


def test_files_of_the_user_stay_and_all_others_are_detected(photos, run, weights):
    before = checksums(photos, photos.parent / "other")
    argv = ("detect", photos, "--output", photos, "--weights", weights)
    code, out, err = run(*argv)
    assert code == 2
    after = checksums(photos, photos.parent / "other")
    assert {path: after.get(path) for path in before} == before
    done = names_of(photos / "detections_2.json")
    good = {p.name for p in before if p.suffix == ".png" and p.parent == photos}
    good -= DAMAGED
    # A link is named by what it leads to.
    expected = {"mine.png" if n == "b_detected.png" else n for n in good}
    assert set(done) == expected
    rows = rows_of(photos / "detections_2.csv")
    assert {os.path.basename(unescaped(row["image"])) for row in rows} == good
    for name in ("a_detected_2", "b_detected_2", "a_detected_detected", "-x_detected"):
        assert Image.open(photos / f"{name}.png").size[0] >= 64
    for name in DAMAGED:
        assert any(f"{name}: " in line for line in err)
    (line,) = [line for line in err if "was not written by this command" in line]
    assert "detections" in line or "_detected.png" in line
    assert "\x1b" not in out + "".join(err) and "\\x1b[31m_" not in out
    assert not list(photos.glob(".mrcnn_*"))


def test_a_second_run_replaces_its_own_and_does_not_detect_in_them(photos, detect_in):
    detect_in(photos, "--output", photos)
    first = checksums(photos)
    code, _, err = detect_in(photos, "--output", photos)
    assert code == 2
    assert set(checksums(photos)) == set(first)
    own = [line for line in err if "written itself" in line]
    assert (
        len(own) == 1 and f": {len(names_of(photos / 'detections_2.json'))}" in own[0]
    )
    # An edited result is the user's.
    edited = photos / "detections_2.csv"
    edited.write_text("corrected by hand\n")
    detect_in(photos, "--output", photos)
    assert edited.read_text() == "corrected by hand\n"
    assert rows_of(photos / "detections_3.csv")


def test_by_default_each_run_has_a_folder_of_its_own(
    photos, detect_in, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "detections.json").write_text("mine")
    _, out, err = detect_in(photos / "a.png")
    assert (tmp_path / "results" / "detections.json").read_text() == "mine"
    assert names_of(tmp_path / "results2" / "detections.json") == ["a.png"]
    assert any("the results are in results2" in line for line in err)
    detect_in("**/a*.png")
    assert names_of(tmp_path / "results3" / "detections.json") == [
        *("a\nb.png", "a.png", "a_detected.png")
    ]
    code, _, err = detect_in("results2/*.png")
    assert code == 2 and "no image or video is left" in err[-1]


def test_two_runs_do_not_write_into_one_folder_at_once(photos, detect_in, tmp_path):
    with OwnFiles(tmp_path / "out") as own:
        (own.unfinished / "detections.json").write_text("{}")
        own.keep("detections.json")
        code, _, err = detect_in(photos / "a.png", "--output", tmp_path / "out")
        assert code == 2 and "another process is writing" in err[-1]
    assert (tmp_path / "out" / "detections.json").read_text() == "{}"
    assert detect_in(photos / "a.png", "--output", tmp_path / "out")[0] == 0


def test_names_come_back_from_json_and_csv(tmp_path):
    names = [LATIN_1, "a\nb.png", 'q",.png', "\\udce9.png", "\\u00e9\\.png", "é\t.png"]
    results = Results(tmp_path / "out", ["BG", "box"])
    for name in names:
        results.add(tmp_path / name, (48, 64, 3), FOUND)
    results.close()
    data = (tmp_path / "out" / "detections.csv").read_bytes()
    assert len(data.decode("utf-8").splitlines()) == 1 + 3 * len(names)
    rows = rows_of(tmp_path / "out" / "detections.csv")[::3]
    assert [unescaped(row["image"]) for row in rows] == [
        str(tmp_path / n) for n in names
    ]
    content = json.loads((tmp_path / "out" / "detections.json").read_bytes().decode())
    assert [image["file_name"] for image in content["images"]] == [
        f"../{name}" for name in names
    ]
    assert os.fsencode(content["images"][0]["file_name"]) == b"../caf\xe9.png"


def test_an_image_of_a_name_that_is_not_utf_8_opens_as_data(
    photos, detect_in, tmp_path
):
    code, *_ = detect_in(photos / LATIN_1, "--output", tmp_path / "out")
    assert code == 0
    dataset = open_dataset(tmp_path / "out" / "detections.json")
    assert dataset.load_image(0).shape == (48, 64, 3)


@pytest.mark.parametrize("tile", [(), ("--tile", 32)])
def test_the_limit_of_pixels_has_a_switch(photos, detect_in, tmp_path, tile):
    """A png is read as a whole, a TIFF without compression in tiles."""
    photo = Image.open(photos / "a.png")
    photo.save(photos / "a.tif")
    photo.crop((0, 0, 40, 40)).save(photos / "small.png")
    files = [photos / name for name in ("a.png", "a.tif", "small.png")]
    out = tmp_path / "out"
    argv = (*files, "--output", out, *tile, "--max-pixels")
    code, _, err = detect_in(*argv, 2000)
    done = ["a.tif", "small.png"] if tile else ["small.png"]
    assert code == 2 and names_of(out / "detections.json") == done
    assert any("a.png: " in line and "--max-pixels" in line for line in err)
    assert any("a.tif: not drawn" in line for line in err) == bool(tile)
    assert detect_in(*argv, 0)[0] == 0


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("error", [TypeError("raw"), KeyError("a"), RecursionError()])
def test_whatever_a_file_raises_is_its_own_error(
    photos, detect_in, tmp_path, error, batch
):
    def fails_for_one(images, **_):
        if any(image.shape[0] == 47 for image in images):
            raise error
        return find(images)

    Image.new("RGB", (64, 47)).save(photos / "b.png")
    files = [photos / name for name in ("a.png", "b.png", "a_detected.png")]
    argv = (*files, "--output", tmp_path / "out", "--batch", batch)
    code, _, err = detect_in(*argv, detect=fails_for_one)
    assert code == 2
    assert names_of(tmp_path / "out" / "detections.json") == ["a.png", "a_detected.png"]
    (line,) = [line for line in err if "b.png" in line]
    assert type(error).__name__ in line
    content = json.loads((tmp_path / "out" / "detections.json").read_text())
    (failed,) = content["failed"]
    assert failed["file_name"].endswith("b.png") and failed["error"] in line


def test_all_files_that_failed_are_listed_at_the_end(photos, detect_in, tmp_path):
    files = [photos / name for name in ("cut.tif", "a.png", "bomb.png")]
    code, _, err = detect_in(*files, "--output", tmp_path / "out")
    assert code == 2
    start = err.index("mrcnn detect: 2 files failed:")
    assert "cut.tif: " in err[start + 1] and "bomb.png: " in err[start + 2]


# The command with a model that stops in the third image; without TensorFlow.
SCRIPT = """
import itertools, sys, time
from types import SimpleNamespace
import numpy as np
from mrcnn.cli import main, weights
from mrcnn.config import Config
calls = itertools.count(1)
def detect(images, **options):
    if next(calls) == 3:
        print("third", flush=True)
        time.sleep(60)
    box, mask, one = np.array([(0, 0, 5, 5)]), np.ones((5, 5), bool), np.ones(1, int)
    return [{"rois": box, "masks": [mask], "class_ids": one, "scores": one}]
model = SimpleNamespace(config=Config(), detect=detect)
weights.load_model = lambda *_: model
sys.exit(main.main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)],
)
def test_what_was_done_before_a_signal_is_on_disk(
    weights,
    cells,
    tmp_path,
    number,
    code,
):
    argv = ["detect", cells / "images" / "train", "--weights", weights]
    argv += ["--output", tmp_path]
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *map(str, argv)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.stdout.readline().strip() != "third":
        assert process.poll() is None
    time.sleep(0.2)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert names_of(tmp_path / "detections.json") == ["t0.png", "t1.png"]
    images = {
        os.path.basename(r["image"]) for r in rows_of(tmp_path / "detections.csv")
    }
    assert images == {"t0.png", "t1.png"}
    for name in ("t0", "t1"):
        Image.open(tmp_path / f"{name}_detected.png").load()
    if number != signal.SIGKILL:
        assert "2 of 4 are done" in err
        assert not list(tmp_path.glob(".mrcnn_*"))
    # The next run replaces these, also those of a process that was killed.
    with OwnFiles(tmp_path) as own:
        (own.unfinished / "detections.json").touch()
        assert own.keep("detections.json").name == "detections.json"
        assert len(list(tmp_path.glob(".mrcnn_*"))) == 1


def test_a_full_disk_ends_the_command_and_what_is_done_stays(detect_in, tmp_path):
    resource = pytest.importorskip("resource")
    rng, folder = np.random.default_rng(1), tmp_path / "many"
    folder.mkdir()
    for number in range(4):  # the third is too large for what is left
        side = 1400 if number == 2 else 100
        noise = rng.integers(0, 255, (side, side, 3), np.uint8)
        Image.fromarray(noise).save(folder / f"{number}.png")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, before[1]))
    try:
        code, _, err = detect_in(folder, "--output", tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, old)
    assert code == 2
    assert any("make room" in line for line in err)
    assert any("3 of 4 are done" in line for line in err)
    # That of which only the drawing is missing too.
    assert names_of(tmp_path / "out" / "detections.json") == ["0.png", "1.png", "2.png"]
    assert len(rows_of(tmp_path / "out" / "detections.csv")) == 9
    assert not (tmp_path / "out" / "2_detected.png").exists()


@pytest.mark.parametrize("part", ["json", "csv"])
def test_results_that_do_not_fit_leave_those_before_whole(tmp_path, part):
    results = Results(tmp_path, ["BG", "box"], [part])
    results.add(tmp_path / "0.png", (48, 64, 3), FOUND)
    file = getattr(results, f"_{part}")
    real, left = file._file.write, [100]

    class Full:
        """A disk on which a hundred bytes are left, and what a file has already."""

        def __init__(self, file):
            self.file, self.size = file, os.path.getsize(file.name)

        def __getattr__(self, name):
            return getattr(self.file, name)

        def write(self, data):
            room = self.size + left[0] - self.file.tell()
            if room <= 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(data[:room])

    file._file = Full(file._file)
    before = (tmp_path / f"detections.{part}").read_bytes()
    with pytest.raises(CommandError, match="No space left.*make room"):
        results.add(tmp_path / "1.png", (48, 64, 3), FOUND)
    assert (tmp_path / f"detections.{part}").read_bytes() == before
    left[0] = 10_000  # there is room again
    assert results.close() == [f"detections.{part}"]
    after = (tmp_path / f"detections.{part}").read_bytes()
    assert (after == before) is (part == "csv")
    if part == "json":
        assert names_of(tmp_path / "detections.json") == ["0.png", "1.png"]
