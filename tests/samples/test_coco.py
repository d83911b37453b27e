"""The COCO sample: what it trains on, COCO's own numbers, one real run."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

HEIGHT, WIDTH = 40, 60  # not square
CLASSES = 80
FIRST = 11  # COCO's ids have gaps, so that inside ids differ from them


def box(x, y, width, height, category=FIRST, **more):
    corners = [x, y, x + width, y, x + width, y + height, x, y + height]
    return {
        "category_id": category,
        "bbox": [x, y, width, height],
        "area": width * height,
        "iscrowd": 0,
        "segmentation": [corners],
        **more,
    }


OBJECTS = [box(5, 5, 20, 15), box(30, 10, 25, 25, FIRST + 2 * 79)]
CROWD = {"size": [HEIGHT, WIDTH], "counts": [0, 5, HEIGHT * WIDTH - 5]}


def write_subset(folder, subset, year, first_id, count=2):
    """Images, the last of them with a crowd, and their annotations."""
    images = {"minival": "val", "valminusminival": "val"}.get(subset, subset)
    (folder / f"{images}{year}").mkdir(parents=True, exist_ok=True)
    (folder / "annotations").mkdir(exist_ok=True)
    content = {"images": [], "annotations": [], "categories": []}
    for i in range(CLASSES):
        content["categories"].append({"id": FIRST + 2 * i, "name": f"class {i}"})
    for image_id in range(first_id, first_id + count):
        name = f"{image_id:012d}.png"
        pixels = np.random.default_rng(image_id).integers(0, 256, (HEIGHT, WIDTH, 3))
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{images}{year}" / name)
        size = {"height": HEIGHT, "width": WIDTH}
        content["images"].append({"id": image_id, "file_name": name, **size})
        objects = list(OBJECTS)
        if image_id == first_id + count - 1:
            objects.append(box(0, 0, 1, 5, segmentation=CROWD, iscrowd=1))
        for item in objects:
            number = len(content["annotations"]) + 1
            row = {**item, "id": number, "image_id": image_id}
            content["annotations"].append(row)
    file = folder / "annotations" / f"instances_{subset}{year}.json"
    file.write_text(json.dumps(content))


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """COCO of 2017, two images a subset."""
    folder = tmp_path_factory.mktemp("coco")
    write_subset(folder, "train", "2017", 100)
    write_subset(folder, "val", "2017", 200)
    return folder


@pytest.fixture
def model(coco, straw, folder):
    """A model that knows the objects of val."""
    from mrcnn.model import MaskRCNN

    model = MaskRCNN("inference", coco.CocoConfig(), "logs")
    model.learn(coco.make_dataset(folder, "val", "2017"))
    return model


def test_2014_joins_what_detectron_trained_on(coco, tmp_path):
    for number, subset in enumerate(("train", "valminusminival", "minival")):
        write_subset(tmp_path, subset, "2014", 100 * number, count=number + 1)
    train, val = (coco.make_dataset(tmp_path, split) for split in ("train", "val"))
    assert [info["id"] for info in train.image_info] == [0, 100, 101]
    assert [info["id"] for info in val.image_info] == [200, 201, 202]
    assert "val2014" in val.image_info[0]["path"]
    assert train.num_classes == val.num_classes == 81


def test_2017_is_train_and_val(coco, folder):
    train, val = (coco.make_dataset(folder, s, "2017") for s in ("train", "val"))
    assert [info["id"] for info in train.image_info] == [100, 101]
    assert [info["id"] for info in val.image_info] == [200, 201]
    masks, class_ids = val.load_mask(1)
    assert masks.shape == (HEIGHT, WIDTH, 3) and class_ids.tolist() == [1, 80, -1]


def test_the_old_way_to_load_still_works(coco, folder):
    dataset = coco.CocoDataset()
    ids = [FIRST + 2 * 79]
    truth = dataset.load_coco(folder, "val", "2017", class_ids=ids, return_coco=True)
    dataset.prepare()
    assert dataset.class_names == ["BG", "class 79"]
    assert sorted(truth.imgs) == [200, 201]
    annotation = truth.loadAnns([1])[0]
    mask = dataset.annToMask(annotation, HEIGHT, WIDTH)
    assert mask[10, 10] == 1 and mask[30, 50] == 0
    assert set(dataset.annToRLE(annotation, HEIGHT, WIDTH)) == {"size", "counts"}


@pytest.mark.parametrize("preset", ["full", "small"])
def test_presets_fit_coco(coco, preset):
    coco.PRESETS[preset]().validate(num_dataset_classes=81)


def test_old_values_of_the_config(coco):
    config = coco.CocoConfig()
    assert (config.NAME, config.NUM_CLASSES, config.IMAGES_PER_GPU) == ("coco", 81, 2)
    assert config.BACKBONE == "resnet101" and config.LEARNING_RATE == 0.001


DETECTION = {
    "rois": np.array([[5, 5, 20, 25]], np.int32),
    "class_ids": np.array([80], np.int32),
    "scores": np.array([0.75], np.float32),
}


def test_results_bear_the_ids_of_coco(coco, folder):
    dataset = coco.make_dataset(folder, "val", "2017")
    masks = np.zeros((HEIGHT, WIDTH, 1), bool)
    masks[5:20, 5:25] = True
    (row,) = coco.build_coco_results(dataset, [201], *DETECTION.values(), masks)
    assert (row["image_id"], row["category_id"]) == (201, FIRST + 2 * 79)
    assert row["bbox"] == [5, 5, 20, 15] and row["score"] == 0.75
    from pycocotools import mask as coco_mask

    drawn = coco_mask.decode(row["segmentation"])
    np.testing.assert_array_equal(drawn, masks[..., 0])
    json.dumps(row)


def test_nothing_detected_is_no_result(coco, folder):
    dataset = coco.make_dataset(folder, "val", "2017")
    assert coco.build_coco_results(dataset, [200], None, None, None, None) == []


@pytest.mark.parametrize("eval_type", ["bbox", "segm"])
def test_evaluate_coco_finds_all_that_is_known(coco, model, folder, eval_type, capsys):
    dataset = coco.CocoDataset()
    truth = dataset.load_coco(folder, "val", "2017", return_coco=True)
    dataset.prepare()
    metrics = coco.evaluate_coco(model, dataset, truth, eval_type)
    assert metrics["AP"] == 1 and metrics["AR100"] == 1
    assert "1.000  1.000  1.000" in capsys.readouterr().out


def test_evaluate_coco_looks_at_the_images_it_is_given(coco, model, folder):
    dataset = coco.CocoDataset()
    truth = dataset.load_coco(folder, "val", "2017", return_coco=True)
    dataset.prepare()
    forgotten = dataset.load_image(1).tobytes()
    del model.answers[forgotten]
    assert coco.evaluate_coco(model, dataset, truth)["AR100"] == 0.5
    assert coco.evaluate_coco(model, dataset, truth, limit=1)["AR100"] == 1
    assert coco.evaluate_coco(model, dataset, truth, image_ids=[1])["AR100"] == 0


def noisy(model, dataset):
    """Makes the straw model's answers worse: too small, of a wrong class, missing."""
    for number, (key, (masks, class_ids)) in enumerate(model.answers.items()):
        masks, class_ids = masks.copy(), class_ids.copy()
        masks[: HEIGHT // 4 + number] = False
        if number % 3 == 2:
            class_ids[:] = class_ids[::-1]
        keep = masks.any(axis=(0, 1)) & (np.arange(len(class_ids)) % 4 != 3)
        model.answers[key] = masks[..., keep], class_ids[keep]


def test_both_ways_to_evaluate_agree_on_real_annotations(coco, straw, shared):
    from mrcnn.model import MaskRCNN

    data = shared / "data" / "coco_tiny"
    dataset = coco.CocoDataset()
    truth = dataset.load_coco(data, "val", "2017", return_coco=True)
    dataset.prepare()
    model = MaskRCNN("inference", coco.CocoConfig(), "logs")
    dataset._image_ids = dataset.image_ids[:12]
    model.learn(dataset)
    noisy(model, dataset)
    result = coco.evaluate(model, dataset)
    for kind in ("bbox", "segm"):
        expected = coco.evaluate_coco(model, dataset, truth, kind)
        assert 0.05 < expected["AP"] < 0.95
        assert result[kind] == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("flags", "stages"),
    [
        ("", [(40, "heads", 0.001), (120, "4+", 0.001), (160, "all", 0.0001)]),
        ("--epochs 50", [(40, "heads", 0.001), (50, "4+", 0.001)]),
        ("--epochs 3 --resume", [(3, "heads", 0.001)]),
        ("--preset small --epochs 90", [(90, "all", 0.001)]),
    ],
)
def test_train_goes_through_the_stages(coco, straw, folder, flags, stages):
    flags = f"--model none --dataset {folder} --year 2017 {flags}"
    assert coco.main(["train", *flags.split()]) == 0
    (model,) = straw
    assert model.mode == "training" and model.loaded == []
    calls = [options for _, options in model.trained]
    names = ("epochs", "layers", "learning_rate")
    assert [tuple(t[name] for name in names) for t in calls] == [
        (end, layers, pytest.approx(rate)) for end, layers, rate in stages
    ]
    assert {t["resume"] for t in calls} == {"--resume" in flags}
    for (train, val), _ in model.trained:
        assert (train.image_info[0]["id"], val.image_info[0]["id"]) == (100, 200)


def test_half_of_the_pictures_are_mirrored(coco, straw, folder):
    from mrcnn.data.augmentation.augment import augment

    coco.main(["train", "--model", "none", "--dataset", str(folder), "--year", "2017"])
    (train, _), options = straw[0].trained[0]
    image, objects = train.load_image(0), train.load_mask(0)
    mirrored = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        new = augment(image, *objects, options["augmentation"], rng)
        turned = np.array_equal(new.image, image[:, ::-1])
        assert turned or np.array_equal(new.image, image)
        expected = objects[0][:, ::-1] if turned else objects[0]
        np.testing.assert_array_equal(new.mask, expected)
        mirrored += turned
    assert 10 < mirrored < 30


def test_steps_and_seed_reach_the_config(coco, straw, folder):
    flags = ["--dataset", str(folder), "--year", "2017", "--preset", "small"]
    coco.main(["train", *flags, "--steps", "7", "--seed", "4"])
    config = straw[0].config
    assert (config.STEPS_PER_EPOCH, config.VALIDATION_STEPS, config.SEED) == (7, 7, 4)


@pytest.mark.parametrize("flag", ["--model", "--weights"])
@pytest.mark.parametrize("word", ["coco", "imagenet"])
def test_words_are_resolved_by_the_model(
    coco, straw, folder, tmp_path, monkeypatch, flag, word
):
    monkeypatch.chdir(tmp_path)  # where there is no mask_rcnn_coco.h5
    coco.main(["train", "--dataset", str(folder), "--year", "2017", flag, word])
    assert straw[0].loaded == [(word, {"by_name": True})]  # all layers


def test_weights_that_lie_here_are_taken(coco, straw, folder, tmp_path, monkeypatch):
    weights = tmp_path / "mine.h5"
    weights.touch()
    monkeypatch.setattr(coco, "COCO_WEIGHTS_PATH", weights)
    flags = ["--dataset", str(folder), "--year", "2017"]
    for word in ("coco", str(weights)):
        coco.main(["train", *flags, "--model", word])
    coco.main(["train", *flags, "--model", "last"])
    paths = [model.loaded[0][0] for model in straw]
    assert paths == [str(weights), str(weights), "last"]


def test_evaluate_command_prints_and_writes(
    coco, straw, folder, tmp_path, monkeypatch, capsys
):
    from mrcnn.model import MaskRCNN

    def load_weights(self, path, **options):
        self.learn(coco.make_dataset(folder, "val", "2017"))

    monkeypatch.setattr(MaskRCNN, "load_weights", load_weights)
    out = tmp_path / "out"
    flags = ["--dataset", str(folder), "--year", "2017", "--model", "coco"]
    assert coco.main(["evaluate", *flags, "--limit", "1", "--output", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "1 images" in printed and "class 79" in printed
    content = json.loads((out / "result.json").read_text())
    assert content["coco"]["segm"]["AP"] == pytest.approx(1)
    names = {path.name for path in out.iterdir()}
    assert {"examples.png", "pr_bbox.png", "confusion_segm.png"} <= names
    # What detect() leaves out is as before.
    (cut,) = straw[0].keras_model.layers
    assert cut.min_confidence == coco.CocoConfig.DETECTION_MIN_CONFIDENCE


@pytest.mark.parametrize("flag", ["--download", "--download=True", "--download true"])
def test_download_fetches_what_is_not_there(
    coco, straw, folder, tmp_path, monkeypatch, flag
):
    fetched = []

    def auto_download(self, dataset_dir, subset, year):
        fetched.append((dataset_dir, subset, year))
        write_subset(tmp_path, subset, year, 300 + len(fetched))

    monkeypatch.setattr(coco.CocoDataset, "auto_download", auto_download)
    flags = f"--dataset {tmp_path} --year 2017 --model none {flag}"
    assert coco.main(["train", *flags.split()]) == 0
    assert fetched == [(tmp_path, subset, "2017") for subset in ("train", "val")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "required"),
        ("train --model none", "--dataset"),
        ("train --dataset {data} --year 2017", "--model is missing"),
        ("train --dataset {data} --year 2016 --model none", "2016"),
        ("train --dataset {data} --model none", "instances_train2014.json isn't there"),
        ("evaluate --dataset {data} --model coco", "--year 2017 needs none"),
        ("evaluate --dataset {data} --download --model coco", "don't have it"),
        ("train --dataset nowhere --year 2017 --model none", "see --year and --downl"),
        ("train --dataset {data} --year 2017 --model nowhere.h5", "no such file"),
        ("train --dataset {data} --year 2017 --model coco --preset small", "small"),
        ("train --dataset {data} --year 2017 --model imagenet --preset small", "small"),
        ("evaluate --dataset {data} --year 2017 --model none", "needs a trained"),
        ("evaluate --dataset {data} --year 2017 --model imagenet", "needs a trained"),
        ("evaluate --dataset {data} --year 2017 --model last --limit -1", "or 0 for"),
        (
            "evaluate --dataset {data} --year 2017 --model last --output {file}",
            "name a",
        ),
        ("train --dataset {data} --year 2017 --model none --download=maybe", "maybe"),
    ],
)
def test_wrong_arguments_end_before_any_work(
    coco, straw, folder, capsys, arguments, message
):
    file = folder / "annotations" / "instances_val2017.json"
    with pytest.raises(SystemExit) as error:
        coco.main(arguments.format(data=folder, file=file).split())
    assert error.value.code == 2
    assert message in capsys.readouterr().err
    assert straw == []


def test_no_checkpoint_yet_is_said(coco, straw, folder, capsys, monkeypatch):
    from mrcnn.model import MaskRCNN

    def load_weights(self, path, **options):
        raise FileNotFoundError("find_last(): no run in logs")

    monkeypatch.setattr(MaskRCNN, "load_weights", load_weights)
    flags = ["--dataset", str(folder), "--year", "2017", "--model", "last"]
    with pytest.raises(SystemExit) as error:
        coco.main(["evaluate", *flags])
    assert error.value.code == 2
    assert "no run in logs" in capsys.readouterr().err


def test_real_photographs_from_training_to_numbers(
    coco, tiny_steps, shared, tmp_path, monkeypatch, capsys
):
    class TinyCoco(tiny_steps.StubConfig, coco.CocoConfig):
        NAME = "tinycoco"
        NUM_CLASSES = 81
        MAX_GT_INSTANCES = 100
        EPOCHS = 1
        WEIGHTS = "none"
        DETECTION_MIN_CONFIDENCE = 0.0

    monkeypatch.setitem(coco.PRESETS, "small", TinyCoco)
    data = shared / "data" / "coco_tiny"
    flags = f"--dataset {data} --year 2017 --preset small --logs {tmp_path / 'logs'}"
    assert coco.main(["train", *flags.split(), "--steps", "1"]) == 0
    out = f"--limit 2 --output {tmp_path / 'out'}"
    assert coco.main(["evaluate", *f"{flags} --model last {out}".split()]) == 0
    assert "2 images" in capsys.readouterr().out
    content = json.loads((tmp_path / "out" / "result.json").read_text())
    assert sum(row["detections"] for row in content["classes"]) > 0
    assert (tmp_path / "out" / "examples.png").stat().st_size > 10_000
