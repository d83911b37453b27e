"""What `mrcnn detect` writes down: names of files, and its table."""

from __future__ import annotations

import re

import numpy as np
from PIL import Image

from mrcnn.cli.results import Results


def test_drawn_images_of_one_name_do_not_replace_each_other(tmp_path):
    results = Results(tmp_path / "new", ["BG"])
    for folder, value in (("x", 0), ("y", 255)):
        drawn = np.full((4, 5, 3), value, np.uint8)
        results.save_drawing(tmp_path / folder / "a.png", drawn)
    results.close()
    for name, value in (("a_detected.png", 0), ("a_detected_2.png", 255)):
        assert (np.asarray(Image.open(tmp_path / "new" / name)) == value).all()


def test_a_video_is_one_line_of_the_table_and_its_areas_have_no_sum(tmp_path):
    results = Results(tmp_path, ["BG", "box", "bar"])
    found = {
        "rois": np.array([(0, 0, 2, 5), (4, 4, 6, 6)]),
        "masks": [np.ones((2, 5), bool), np.ones((2, 2), bool)],
        "class_ids": np.array([2, 1]),
        "scores": np.array([0.9, 0.8]),
    }
    for frame in range(3):
        results.add(tmp_path / "street.mp4", (20, 30, 3), found, frame)
    results.add(tmp_path / "photo.png", (20, 30, 3), found)
    cells = [re.split("  +", line) for line in results.table().splitlines()]
    assert cells[1:] == [
        ["street.mp4", "3 frames", "6", "7 px", "-", "3 bar, 3 box"],
        ["photo.png", "20 x 30", "2", "7 px", "14 px", "1 bar, 1 box"],
        ["all", "2 files", "8", "7 px", "-", "4 bar, 4 box"],
    ]
