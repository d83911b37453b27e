"""The nucleus sample: subsets, submission, score, one real run."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

HEIGHT, WIDTH = 48, 72  # not square


def write_picture(home, name, count, seed):
    """A folder of the competition: an RGBA image, and a mask a nucleus."""
    (home / name / "images").mkdir(parents=True)
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 4)).astype(np.uint8)
    Image.fromarray(pixels).save(home / name / "images" / f"{name}.png")
    if count is None:
        return
    (home / name / "masks").mkdir()
    for i in range(count):
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        mask[5:25, 5 + 20 * i : 20 + 20 * i] = 255
        Image.fromarray(mask).save(home / name / "masks" / f"{i}.png")


@pytest.fixture
def folder(nucleus, tmp_path, monkeypatch):
    """Two images to train on, two for validation, and one that is not labeled."""
    monkeypatch.setattr(nucleus, "VAL_IMAGE_IDS", ["b", "d"])
    for number, name in enumerate("abcd"):
        write_picture(tmp_path / "stage1_train", name, number, number)
    write_picture(tmp_path / "stage1_test", "t", None, 9)
    return tmp_path


@pytest.mark.parametrize(
    ("subset", "ids"),
    [("train", "ac"), ("val", "bd"), ("stage1_train", "abcd"), ("stage1_test", "t")],
)
def test_subsets(nucleus, folder, subset, ids):
    dataset = nucleus.make_dataset(folder, subset)
    assert [info["id"] for info in dataset.image_info] == list(ids)
    assert {info["source"] for info in dataset.image_info} == {"nucleus"}
    assert dataset.class_names == ["BG", "nucleus"]
    assert dataset.image_reference(0) == ids[0]
    assert dataset.load_image(0).shape == (HEIGHT, WIDTH, 3)


def test_masks_are_those_of_the_files(nucleus, folder):
    dataset = nucleus.make_dataset(folder, "val")
    masks, class_ids = dataset.load_mask(1)
    assert masks.shape == (HEIGHT, WIDTH, 3) and masks.dtype == bool
    assert class_ids.tolist() == [1, 1, 1]
    assert masks[10, 10, 0] and masks[10, 50, 2] and not masks[30, 10].any()


def test_a_subset_that_is_not_there_is_an_error(nucleus, folder):
    with pytest.raises(ValueError, match="stage2"):
        nucleus.make_dataset(folder, "stage2")


def test_validation_pictures_that_are_missing_are_said(nucleus, folder, monkeypatch):
    monkeypatch.setattr(nucleus, "VAL_IMAGE_IDS", ["b", "gone"])
    with pytest.raises(FileNotFoundError, match="gone"):
        nucleus.make_dataset(folder, "val")


def test_the_25_validation_pictures_of_the_old_package(nucleus, shared):
    assert len(set(nucleus.VAL_IMAGE_IDS)) == 25
    assert {len(image_id) for image_id in nucleus.VAL_IMAGE_IDS} == {64}
    data = shared / "data" / "nucleus"
    train, val = (nucleus.make_dataset(data, subset) for subset in ("train", "val"))
    assert (train.num_images, val.num_images) == (147, 25)
    ids = [{info["id"] for info in dataset.image_info} for dataset in (train, val)]
    assert not ids[0] & ids[1] and ids[1] == set(nucleus.VAL_IMAGE_IDS)


@pytest.mark.parametrize("preset", ["full", "small"])
def test_presets_fit_the_data(nucleus, preset):
    training, inference = nucleus.PRESETS[preset]
    for config in (training(), inference()):
        config.validate(num_dataset_classes=2)
    assert inference.NAME == training.NAME  # or the newest run would not be found
    assert training.IMAGE_RESIZE_MODE == "crop"
    assert inference.IMAGE_RESIZE_MODE == "pad64"  # detect() refuses to crop
    assert inference.BACKBONE == training.BACKBONE
    assert inference.RPN_NMS_THRESHOLD == 0.7 < training.RPN_NMS_THRESHOLD


def test_old_values_of_the_config(nucleus):
    config = nucleus.NucleusConfig()
    expected = {
        "NAME": "nucleus",
        "BACKBONE": "resnet50",
        "IMAGES_PER_GPU": 6,
        "STEPS_PER_EPOCH": 105,
        "VALIDATION_STEPS": 4,
        "IMAGE_RESIZE_MODE": "crop",
        "IMAGE_MIN_DIM": 512,
        "IMAGE_MAX_DIM": 512,
        "IMAGE_MIN_SCALE": 2.0,
        "RPN_ANCHOR_SCALES": (8, 16, 32, 64, 128),
        "RPN_NMS_THRESHOLD": 0.9,
        "RPN_TRAIN_ANCHORS_PER_IMAGE": 64,
        "POST_NMS_ROIS_TRAINING": 1000,
        "POST_NMS_ROIS_INFERENCE": 2000,
        "TRAIN_ROIS_PER_IMAGE": 128,
        "USE_MINI_MASK": True,
        "MINI_MASK_SHAPE": (56, 56),
        "MAX_GT_INSTANCES": 200,
        "DETECTION_MAX_INSTANCES": 400,
        "DETECTION_MIN_CONFIDENCE": 0,
    }
    assert {name: getattr(config, name) for name in expected} == expected
    assert config.MEAN_PIXEL.tolist() == [43.53, 39.56, 48.22]


def test_augmentation_keeps_masks_on_their_nuclei(nucleus, folder):
    from mrcnn.data.augmentation.augment import augment

    dataset = nucleus.make_dataset(folder, "val")
    masks, class_ids = dataset.load_mask(1)
    masks, class_ids = masks[:, :HEIGHT], class_ids  # square, as the crops are
    image = np.repeat(masks.any(axis=2)[..., None], 3, axis=2) * np.uint8(200)
    moved = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        new = augment(image, masks, class_ids, nucleus.make_augmentation(), rng)
        bright = new.image[..., 0] > 80  # blurred and dimmed at most by half
        differ = np.mean(bright != new.mask.any(axis=2))
        assert differ < 0.05
        moved += not np.array_equal(new.mask, masks)
    assert 3 < moved < 12


@pytest.mark.parametrize(
    ("flags", "stages"),
    [
        ("", [(20, "heads"), (40, "all")]),
        ("--epochs 12 --resume", [(12, "heads")]),
        ("--preset small", [(40, "all")]),
    ],
)
def test_train_goes_through_the_stages(nucleus, straw, folder, flags, stages):
    flags = f"--dataset {folder} --weights none {flags}"
    assert nucleus.main(["train", *flags.split()]) == 0
    (model,) = straw
    calls = [options for _, options in model.trained]
    assert [(t["epochs"], t["layers"]) for t in calls] == stages
    assert {t["resume"] for t in calls} == {"--resume" in flags}
    assert {t["learning_rate"] for t in calls} == {0.001}
    (train, val), _ = model.trained[0]
    assert [info["id"] for info in train.image_info] == ["a", "c"]
    assert [info["id"] for info in val.image_info] == ["b", "d"]


def test_train_on_everything(nucleus, straw, folder):
    flags = f"--dataset {folder} --weights none --subset stage1_train --steps 3"
    nucleus.main(["train", *flags.split()])
    (train, val), _ = straw[0].trained[0]
    assert (train.num_images, val.num_images) == (4, 2)
    assert straw[0].config.STEPS_PER_EPOCH == straw[0].config.VALIDATION_STEPS == 3


@pytest.mark.parametrize(
    ("word", "leaves_out"), [("coco", True), ("imagenet", False), ("last", False)]
)
def test_words_are_resolved_by_the_model(
    nucleus, straw, folder, tmp_path, monkeypatch, word, leaves_out
):
    monkeypatch.chdir(tmp_path)  # where there is no mask_rcnn_coco.h5
    nucleus.main(["train", "--dataset", str(folder), "--weights", word])
    ((path, options),) = straw[0].loaded
    assert path == word
    assert ("mrcnn_mask" in (options["exclude"] or ())) == leaves_out


@pytest.fixture
def knowing(nucleus, straw, folder, monkeypatch):
    """Any model knows the nuclei of val once weights are loaded."""
    from mrcnn.model import MaskRCNN

    def load_weights(self, path, **options):
        self.learn(nucleus.make_dataset(folder, "val"))

    monkeypatch.setattr(MaskRCNN, "load_weights", load_weights)
    return straw


def test_detect_writes_a_submission_and_pictures(nucleus, knowing, folder, tmp_path):
    flags = f"--dataset {folder} --subset val --weights last --output {tmp_path / 'r'}"
    assert nucleus.main(["detect", *flags.split()]) == 0
    (model,) = knowing
    assert model.mode == "inference" and model.config.IMAGE_RESIZE_MODE == "pad64"
    (submission,) = (tmp_path / "r").iterdir()
    names = sorted(path.name for path in submission.iterdir())
    assert names == ["b.png", "d.png", "submit.csv"]
    header, *lines = (submission / "submit.csv").read_text().splitlines()
    assert header == "ImageId,EncodedPixels"
    assert [line.split(",")[0] for line in lines] == ["b", "d", "d", "d"]
    dataset = nucleus.make_dataset(folder, "val")
    masks = [nucleus.rle_decode(li.split(",")[1], (HEIGHT, WIDTH)) for li in lines]
    np.testing.assert_array_equal(masks[0], dataset.load_mask(0)[0][..., 0])
    np.testing.assert_array_equal(np.stack(masks[1:], -1), dataset.load_mask(1)[0])


def test_detect_without_nuclei_still_lists_the_picture(
    nucleus, knowing, folder, tmp_path
):
    flags = f"--dataset {folder} --weights last --output {tmp_path / 'r'}"
    nucleus.main(["detect", *flags.split(), "--subset", "stage1_test"])
    (csv,) = (tmp_path / "r").glob("*/submit.csv")
    assert csv.read_text() == "ImageId,EncodedPixels\nt,\n"


def test_evaluate_prints_the_score_of_the_competition(nucleus, knowing, folder, capsys):
    flags = f"--dataset {folder} --weights last"
    assert nucleus.main(["evaluate", *flags.split()]) == 0
    out = capsys.readouterr().out
    assert "2 images" in out and "Data Science Bowl 2018: 1.000" in out
    nucleus.main(["evaluate", *flags.split(), "--limit", "1"])
    assert "1 images" in capsys.readouterr().out


def test_old_names_of_the_script(nucleus):
    mask = np.eye(3, dtype=bool)
    assert nucleus.rle_encode(mask) == "1 1 5 1 9 1"
    np.testing.assert_array_equal(nucleus.rle_decode("1 1 5 1 9 1", [3, 3]), mask)
    assert nucleus.mask_to_rle("x", mask[..., None], [0.9]) == "x,1 1 5 1 9 1"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "required"),
        ("train --weights none", "--dataset"),
        ("detect --dataset {data} --weights last", "--subset"),
        ("train --dataset {data}", "--weights is missing"),
        ("train --dataset nowhere --weights none", "nowhere"),
        ("train --dataset {data} --subset wrong --weights none", "wrong"),
        ("train --dataset {data} --weights nowhere.h5", "nowhere.h5: no such file"),
        ("train --dataset {data} --weights coco --preset small", "only good to train"),
        ("evaluate --dataset {data} --weights imagenet", "only good to train"),
        ("evaluate --dataset {data} --weights none", "needs a trained network"),
        ("evaluate --dataset {data} --weights last --limit -1", "or 0 for all"),
        (
            "detect --dataset {data} --subset val --weights last --output {file}",
            "name a folder",
        ),
    ],
)
def test_wrong_arguments_end_before_any_work(
    nucleus, straw, folder, capsys, arguments, message
):
    file = folder / "stage1_train" / "a" / "images" / "a.png"
    with pytest.raises(SystemExit) as error:
        nucleus.main(arguments.format(data=folder, file=file).split())
    assert error.value.code == 2
    assert message in capsys.readouterr().err
    assert straw == []


def test_no_checkpoint_yet_is_said(nucleus, straw, folder, capsys, monkeypatch):
    from mrcnn.model import MaskRCNN

    def load_weights(self, path, **options):
        raise FileNotFoundError("find_last(): no run in logs")

    monkeypatch.setattr(MaskRCNN, "load_weights", load_weights)
    with pytest.raises(SystemExit) as error:
        nucleus.main(["evaluate", "--dataset", str(folder), "--weights", "last"])
    assert error.value.code == 2
    assert "no run in logs" in capsys.readouterr().err


def test_real_pictures_from_training_to_submission(
    nucleus, tiny_steps, shared, tmp_path, monkeypatch, capsys
):
    class TinyNucleus(tiny_steps.StubConfig, nucleus.NucleusConfig):
        NAME = "tinynucleus"
        NUM_CLASSES = 2
        MAX_GT_INSTANCES = 400
        IMAGE_MIN_DIM = IMAGE_MAX_DIM = 64
        IMAGE_MIN_SCALE = 0
        EPOCHS = 1
        STAGES = ((None, "all"),)
        WEIGHTS = "none"

    class TinyInference(nucleus.NucleusInferenceConfig, TinyNucleus):
        DETECTION_CLASS_RULE = "all"

    monkeypatch.setitem(nucleus.PRESETS, "small", (TinyNucleus, TinyInference))
    data = shared / "data" / "nucleus"
    flags = f"--dataset {data} --preset small --logs {tmp_path / 'logs'}".split()
    assert nucleus.main(["train", *flags, "--steps", "1"]) == 0
    flags += ["--weights", "last", "--subset", "val", "--limit", "1"]
    assert nucleus.main(["detect", *flags, "--output", str(tmp_path / "out")]) == 0
    assert nucleus.main(["evaluate", *flags]) == 0
    assert "Data Science Bowl 2018: 0." in capsys.readouterr().out
    (csv,) = (tmp_path / "out").glob("*/submit.csv")
    first = nucleus.make_dataset(data, "val")
    name, shape = first.image_info[0]["id"], first.load_image(0).shape
    lines = csv.read_text().splitlines()[1:]
    assert {line.split(",")[0] for line in lines} == {name}
    masks = [nucleus.rle_decode(line.split(",")[1], shape) for line in lines]
    assert masks[0].any() and np.sum(masks, axis=0).max() == 1  # none overlap
    assert csv.with_name(f"{name}.png").stat().st_size > 10_000
