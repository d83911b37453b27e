"""The Pascal VOC sample: both kinds of AP, one real run."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

HEIGHT, WIDTH = 40, 60  # not square
OBJECT = "<object><name>{}</name><difficult>{}</difficult><bndbox>{}</bndbox></object>"


def write_image(folder, name, objects):
    """A photograph, its xml file and its label image; objects (name, y, x, y, x)."""
    rng = np.random.default_rng(len(name))
    pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    labels, items = np.zeros((HEIGHT, WIDTH), np.uint8), []
    for value, (kind, difficult, y1, x1, y2, x2) in enumerate(objects, start=1):
        labels[y1:y2, x1:x2] = value
        sides = {"xmin": x1 + 1, "ymin": y1 + 1, "xmax": x2, "ymax": y2}
        box = "".join(f"<{side}>{px}</{side}>" for side, px in sides.items())
        items.append(OBJECT.format(kind, difficult, box))
    size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height></size>"
    text = f"<annotation>{size}{''.join(items)}</annotation>"
    (folder / "Annotations" / f"{name}.xml").write_text(text)
    Image.fromarray(pixels).save(folder / "JPEGImages" / f"{name}.png")
    picture = Image.fromarray(labels)
    picture.putpalette(list(range(256)) * 3)
    picture.save(folder / "SegmentationObject" / f"{name}.png")


def write_year(folder):
    """One image to train on, two for validation."""
    for part in ("Annotations", "JPEGImages", "SegmentationObject"):
        (folder / part).mkdir(parents=True)
    lists = folder / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("one\n")
    (lists / "val.txt").write_text("three\nseven77\n")
    write_image(folder, "one", [("dog", 0, 5, 5, 20, 25)])
    both = [("dog", 0, 5, 5, 20, 25), ("train", 0, 10, 30, 35, 55)]
    write_image(folder, "three", both)
    write_image(folder, "seven77", [("cat", 0, 5, 5, 30, 20), *both[1:]])


@pytest.fixture
def folder(tmp_path):
    write_year(tmp_path / "VOCdevkit" / "VOC2012")
    return tmp_path / "VOCdevkit"


def test_the_twenty_classes_whichever_occur(voc, folder):
    dataset = voc.make_dataset(folder, "val")
    assert dataset.num_classes == voc.VocConfig.NUM_CLASSES == 21
    masks, class_ids = dataset.load_mask(0)
    names = [dataset.class_names[i] for i in class_ids]
    assert names == ["dog", "train"] and masks.shape == (HEIGHT, WIDTH, 2)
    assert dataset.image_reference(0).endswith("three.png")


def test_years_are_told_apart(voc, folder):
    write_year(folder / "VOC2007")
    assert "VOC2007" in voc.make_dataset(folder, "val", "2007").image_reference(0)
    with pytest.raises(ValueError, match="year="):
        voc.make_dataset(folder, "val")


@pytest.mark.parametrize(("subset", "images"), [("train", 20), ("val", 24)])
def test_the_real_photographs_load(voc, shared, subset, images):
    dataset = voc.make_dataset(shared / "data" / "voc_mini", subset)
    assert (dataset.num_images, dataset.num_classes) == (images, 21)


@pytest.mark.parametrize("preset", ["full", "small"])
def test_presets_fit_the_data(voc, preset):
    voc.PRESETS[preset]().validate(num_dataset_classes=21)


@pytest.mark.parametrize(
    ("flags", "stages"),
    [
        ("", [(5, "heads", 0.001), (20, "all", 0.0001)]),
        ("--epochs 3 --resume", [(3, "heads", 0.001)]),
        ("--preset small --steps 2", [(60, "all", 0.001)]),
    ],
)
def test_train_goes_through_the_stages(voc, straw, folder, flags, stages):
    flags = f"--dataset {folder} --weights none {flags}"
    assert voc.main(["train", *flags.split()]) == 0
    (model,) = straw
    calls = [options for _, options in model.trained]
    names = ("epochs", "layers", "learning_rate")
    assert [tuple(t[name] for name in names) for t in calls] == [
        (end, layers, pytest.approx(rate)) for end, layers, rate in stages
    ]
    assert {t["resume"] for t in calls} == {"--resume" in flags}
    (train, val), _ = model.trained[0]
    assert [info["id"] for info in train.image_info] == ["one"]
    assert [info["id"] for info in val.image_info] == ["three", "seven77"]
    if "--steps" in flags:
        assert model.config.STEPS_PER_EPOCH == model.config.VALIDATION_STEPS == 2


def test_augmentation_moves_image_and_masks(voc, folder):
    from mrcnn.data.augmentation.augment import augment

    dataset = voc.make_dataset(folder, "val")
    masks, class_ids = dataset.load_mask(0)
    image = np.repeat(masks.any(axis=2)[..., None], 3, axis=2) * np.uint8(200)
    moved = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        new = augment(image, masks, class_ids, voc.make_augmentation(), rng)
        differ = np.mean((new.image[..., 0] > 70) != new.mask.any(axis=2))
        assert differ < 0.05
        moved += not np.array_equal(new.mask, masks)
    assert 3 < moved


@pytest.mark.parametrize(
    ("word", "leaves_out"), [("coco", True), ("imagenet", False), ("last", False)]
)
def test_words_are_resolved_by_the_model(
    voc, straw, folder, tmp_path, monkeypatch, word, leaves_out
):
    monkeypatch.chdir(tmp_path)  # where there is no mask_rcnn_coco.h5
    voc.main(["train", "--dataset", str(folder), "--weights", word])
    ((path, options),) = straw[0].loaded
    assert path == word
    assert ("mrcnn_mask" in (options["exclude"] or ())) == leaves_out


@pytest.fixture
def knowing(voc, straw, folder, monkeypatch):
    """Any model knows the objects of the first photograph of val, and no other."""
    from mrcnn.model import MaskRCNN

    def load_weights(self, path, **options):
        dataset = voc.make_dataset(folder, "val")
        dataset._image_ids = dataset.image_ids[:1]
        self.learn(dataset)

    monkeypatch.setattr(MaskRCNN, "load_weights", load_weights)
    return straw


def rows_of(out):
    """The numbers behind "boxes" and "masks" below the title of VOC's table."""
    lines = out.split("VOC, IoU 0.5")[1].splitlines()
    return {line.split()[0]: line.split()[1:] for line in lines[1:3]}


def test_evaluate_prints_the_ap_of_voc_too(voc, knowing, folder, tmp_path, capsys):
    out = tmp_path / "out"
    flags = f"--dataset {folder} --weights last --output {out}"
    assert voc.main(["evaluate", *flags.split()]) == 0
    printed = capsys.readouterr().out
    # dog 1, cat 0, train 1/2 of the area and 6 of 11 points.
    expected = [f"{1.5 / 3:.3f}", f"{(1 + 6 / 11) / 3:.3f}"]
    assert rows_of(printed) == {"boxes": expected, "masks": expected}
    assert "2 images" in printed
    content = json.loads((out / "result.json").read_text())
    assert content["voc"]["segm"]["area"]["mean_ap"] == pytest.approx(0.5)
    assert {"examples.png", "ap_segm.png"} <= {path.name for path in out.iterdir()}


def test_limit_takes_the_first_photographs(voc, knowing, folder, capsys):
    flags = f"--dataset {folder} --weights last --limit 1"
    voc.main(["evaluate", *flags.split()])
    printed = capsys.readouterr().out
    assert "1 images" in printed
    assert rows_of(printed) == {kind: ["1.000"] * 2 for kind in ("boxes", "masks")}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "required"),
        ("train --weights none", "--dataset"),
        ("train --dataset {data}", "--weights is missing"),
        ("train --dataset nowhere --weights none", "nowhere"),
        ("train --dataset {data} --year 1999 --weights none", "there is VOC2012"),
        ("train --dataset {data} --weights nowhere.h5", "nowhere.h5: no such file"),
        ("train --dataset {data} --weights coco --preset small", "only good to train"),
        ("evaluate --dataset {data} --weights imagenet", "only good to train"),
        ("evaluate --dataset {data} --weights none", "needs a trained network"),
        ("evaluate --dataset {data} --weights last --limit -1", "or 0 for all"),
        ("evaluate --dataset {data} --weights last --output {file}", "name a folder"),
    ],
)
def test_wrong_arguments_end_before_any_work(
    voc, straw, folder, capsys, arguments, message
):
    file = folder / "VOC2012" / "Annotations" / "one.xml"
    with pytest.raises(SystemExit) as error:
        voc.main(arguments.format(data=folder, file=file).split())
    assert error.value.code == 2
    assert message in capsys.readouterr().err
    assert straw == []


def test_no_checkpoint_yet_is_said(voc, straw, folder, capsys, monkeypatch):
    from mrcnn.model import MaskRCNN

    def load_weights(self, path, **options):
        raise FileNotFoundError("find_last(): no run in logs")

    monkeypatch.setattr(MaskRCNN, "load_weights", load_weights)
    with pytest.raises(SystemExit) as error:
        voc.main(["evaluate", "--dataset", str(folder), "--weights", "last"])
    assert error.value.code == 2
    assert "no run in logs" in capsys.readouterr().err


def test_real_photographs_from_training_to_numbers(
    voc, tiny_steps, shared, tmp_path, monkeypatch, capsys
):
    class TinyVoc(tiny_steps.StubConfig, voc.VocConfig):
        NAME = "tinyvoc"
        NUM_CLASSES = 21
        EPOCHS = 1
        STAGES = ((None, "all", 1.0),)
        WEIGHTS = "none"
        DETECTION_MIN_CONFIDENCE = 0.0

    monkeypatch.setitem(voc.PRESETS, "small", TinyVoc)
    data = shared / "data" / "voc_mini"
    flags = f"--dataset {data} --preset small --logs {tmp_path / 'logs'}".split()
    assert voc.main(["train", *flags, "--steps", "1"]) == 0
    flags += ["--weights", "last", "--limit", "2", "--output", str(tmp_path / "out")]
    assert voc.main(["evaluate", *flags]) == 0
    assert "VOC, IoU 0.5" in capsys.readouterr().out
    content = json.loads((tmp_path / "out" / "result.json").read_text())
    assert sum(row["detections"] for row in content["classes"]) > 0
    assert (tmp_path / "out" / "examples.png").stat().st_size > 10_000
