"""benchmarks/nucleus.py: kinds of drawn images, figures of made-up detections."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mrcnn.evaluation import compact
from tests.conftest import ROOT, load_script
from tests.evaluation.cases import HEIGHT, LEFT, MIDDLE, RIGHT, WIDTH, record

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")


@pytest.fixture(scope="module")
def nucleus():
    return load_script(ROOT / "benchmarks" / "nucleus.py")


def drawn(height, width, ground, nuclei):
    """An image of blocks of one color, a quarter of it, on a ground of another."""
    image = np.empty((height, width, 3), np.uint8)
    image[:] = ground
    image[: height // 2, : width // 2] = nuclei
    return image


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        (drawn(256, 256, 5, 200), "small fluorescence"),
        (drawn(360, 200, 5, 200), "small fluorescence"),
        (drawn(361, 200, 5, 200), "large fluorescence"),
        (drawn(200, 1272, 60, 255), "large fluorescence"),
        (drawn(1024, 1024, 225, 90), "bright-field"),
        (drawn(64, 64, 225, 90), "bright-field"),
        (drawn(256, 320, (230, 210, 225), (110, 70, 150)), "stained"),
        (drawn(256, 320, (40, 20, 60), (90, 60, 120)), "stained"),  # however dark
        (drawn(256, 320, (12, 10, 14), (200, 198, 202)), "small fluorescence"),
        (drawn(64, 64, 0, 0), "small fluorescence"),
    ],
)
def test_kinds_by_pixels_and_size(nucleus, image, kind):
    before = image.copy()
    assert nucleus.kind_of(image) == kind
    assert np.array_equal(image, before)


@pytest.mark.parametrize("as_unpacked", [False, True])
def test_the_25_validation_pictures_are_of_these_kinds(
    nucleus, shared, tmp_path, as_unpacked
):
    folder = shared / "data" / "nucleus"
    if as_unpacked:  # the competition's files have no split.json
        (tmp_path / "stage1_train").symlink_to(folder / "stage1_train")
        folder = tmp_path
    dataset = nucleus.make_dataset(folder, "val")
    ids = (ROOT / "samples" / "nucleus" / "val_image_ids.txt").read_text().split()
    assert [info["id"] for info in dataset.image_info] == ids
    kinds = [nucleus.kind_of(dataset.load_image(i)) for i in dataset.image_ids]
    assert [kinds.count(kind) for kind in nucleus.KINDS] == [9, 5, 10, 1]


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_a_folder_without_the_pictures_is_refused_before_the_work(
    nucleus, tmp_path, capsys, name
):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit):
        nucleus.main(["--data", str(tmp_path / name)])
    err = capsys.readouterr().err
    assert f"--data {tmp_path / name}: " in err and "stage1_train" in err


@pytest.fixture
def records():
    """Right; one of two missed; one found and one made up; an unsure one."""
    return [
        compact(record(0, [(1, LEFT)], [(1, 0.9, LEFT)])),
        compact(record(1, [(1, LEFT), (1, RIGHT)], [(1, 0.9, LEFT)])),
        compact(record(2, [(1, LEFT)], [(1, 0.8, LEFT), (1, 0.7, RIGHT)])),
        compact(record(3, [(1, LEFT)], [(1, 0.3, MIDDLE)])),
    ]


def test_figures_of_a_kind(nucleus, records):
    kinds = ["stained", "bright-field", "bright-field", "small fluorescence"]
    rows = nucleus.make_rows(records, kinds)
    assert [row.kind for row in rows] == [
        *("all", "small fluorescence", "stained", "bright-field"),
    ]
    every, unsure, right, bright = rows
    assert (every.images, every.nuclei, every.found) == (4, 5, 4)
    # One too few, one too many, one too few: they don't cancel each other.
    assert every.count_error == pytest.approx(3 / 5)
    assert every.dsb == pytest.approx((1 + 0.5 + 0.5 + 0) / 4)
    assert (right.count_error, right.dsb) == (0, 1)
    assert right.aps[100] == pytest.approx({"AP50": 1, "AP": 1, "AP75": 1})
    assert (bright.nuclei, bright.found) == (3, 3)
    assert bright.count_error == pytest.approx(2 / 3)
    # Two of three are found before the one that is made up: 67 of 101 recalls.
    assert bright.aps[100]["AP50"] == pytest.approx(67 / 101)
    assert (unsure.found, unsure.dsb, unsure.aps[500]["AP"]) == (0, 0, 0)


def test_ap_is_measured_at_100_and_at_500_detections(nucleus):
    boxes = [(y, x, y + 2, x + 10) for x in range(0, 60, 12) for y in range(0, 120, 3)]
    found = [(1, 1 - i / 999, box) for i, box in enumerate(boxes)]
    row = nucleus.make_row(
        "all", [compact(record(0, [(1, box) for box in boxes], found))]
    )
    assert row.aps[100]["AP50"] == pytest.approx(51 / 101)  # 100 of 200
    assert row.aps[500]["AP50"] == pytest.approx(1)


def test_the_table_says_the_same_in_markdown(nucleus, records):
    cells = nucleus.make_cells(nucleus.make_rows(records, ["stained"] * 4))
    assert len({len(line) for line in cells}) == 1
    assert cells[1][:6] == ["all", "4", "5", "4", "60.0 %", "0.500"]
    plain, piped = nucleus.aligned(cells), nucleus.piped(cells)
    assert len({len(line) for line in plain.splitlines()}) == 1
    lines = piped.splitlines()
    assert set(lines[1]) <= set("|-:") and lines[1].count("|") == lines[0].count("|")
    del lines[1]
    for line, row in zip(lines, cells, strict=True):
        assert [cell.strip() for cell in line.strip("|").split("|")] == row
    assert plain.split() == " ".join(" ".join(row) for row in cells).split()


def test_figures_go_between_the_marks_of_a_card(nucleus):
    card = f"# Card\n{nucleus.START}\nold\n{nucleus.END}\nmore"
    new = nucleus.filled(card, "new")
    assert new == f"# Card\n{nucleus.START}\nnew\n{nucleus.END}\nmore"
    assert nucleus.filled(new, "new") == new
    with pytest.raises(ValueError, match="once each"):
        nucleus.filled("# Card", "new")


def test_a_card_without_marks_is_refused_before_the_work(nucleus, tmp_path, capsys):
    (tmp_path / "card.md").write_text("# Card")
    flags = f"--data nowhere --markdown {tmp_path / 'card.md'}"
    with pytest.raises(SystemExit):
        nucleus.main(flags.split())
    assert "once each" in capsys.readouterr().err


def test_the_model_card_has_the_marks(nucleus):
    card = Path(__file__).resolve().parents[2] / "mrcnn" / "pretrained" / "nucleus.md"
    nucleus.filled(card.read_text(encoding="utf-8"), "")


def test_the_worst_of_each_kind_come_first(nucleus, records):
    kinds = ["stained", "bright-field", "stained", "stained"]
    worst = nucleus.worst_of_each(records, kinds, 2)
    assert worst == [(3, 0.0), (2, 0.5), (1, 0.5)]


class Pictures:
    """As many as there are records."""

    class_names = ("BG", "nucleus")
    image_info = [{"id": f"{i}" * 64} for i in range(4)]

    def load_image(self, image_id):
        return np.full((HEIGHT, WIDTH, 3), 90, np.uint8)


@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_failures_are_drawn(nucleus, records, tmp_path, ending):
    kinds = ["small fluorescence"] * 4
    drawn = (Pictures(), records, kinds, nucleus.worst_of_each(records, kinds, 2))
    paths = nucleus.draw_failures(*drawn, tmp_path / "new")
    assert [path.name for path in paths] == [
        "small_fluorescence_0.00_33333333.png",
        "small_fluorescence_0.50_11111111.png",
    ]
    sheet = nucleus.draw_sheet(*drawn, tmp_path / "sheets" / f"all.{ending}")
    assert all(path.stat().st_size > 1000 for path in [*paths, sheet])


class Counting:
    """A model that notes how often it detects."""

    calls = 0

    def detect(self, images):
        self.calls += 1
        return [{}]


def test_time_is_the_median_of_several_after_two_to_warm_up(nucleus):
    model = Counting()
    clock, cores = nucleus.detection_time(model, None, repeats=3)
    assert model.calls == 2 + 3
    assert clock >= 0 and cores >= 0
