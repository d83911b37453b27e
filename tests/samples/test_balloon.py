"""The balloon sample without training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

HEIGHT, WIDTH = 40, 60  # not square


def polygon(*points):
    xs, ys = zip(*points, strict=True)
    return {"name": "polygon", "all_points_x": list(xs), "all_points_y": list(ys)}


INSIDE = polygon((5, 5), (25, 5), (25, 20), (5, 20))
# The annotator's last column and row are outside of the image.
BORDER = polygon((40, 20), (WIDTH, 20), (WIDTH, HEIGHT), (40, HEIGHT))


def via_entry(filename, shapes, version):
    regions = [{"shape_attributes": s, "region_attributes": {}} for s in shapes]
    if version == 1:
        regions = {str(i): region for i, region in enumerate(regions)}
    return {"filename": filename, "size": 1, "regions": regions, "file_attributes": {}}


def write_subset(folder, version=2, seed=0):
    """Two annotated photographs and one that nobody has annotated yet."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for name in ("a.jpg", "b.png", "later.png"):
        pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
    entries = [
        via_entry("a.jpg", [INSIDE, BORDER], version),
        via_entry("b.png", [BORDER], version),
        via_entry("later.png", [], version),
    ]
    content = {entry["filename"] + "1": entry for entry in entries}
    if version == "project":
        content = {"_via_img_metadata": content, "_via_settings": {}}
    (folder / "via_region_data.json").write_text(json.dumps(content))


@pytest.fixture
def folder(tmp_path):
    write_subset(tmp_path / "data" / "train")
    write_subset(tmp_path / "data" / "val", seed=1)
    return tmp_path / "data"


@pytest.mark.parametrize("version", [1, 2, "project"])
def test_every_version_of_via_gives_the_same(balloon, tmp_path, version):
    write_subset(tmp_path / "val", version)
    dataset = balloon.make_dataset(tmp_path, "val")
    assert dataset.class_names == ["BG", "balloon"]
    assert [info["id"] for info in dataset.image_info] == ["a.jpg", "b.png"]
    assert [info["width"] for info in dataset.image_info] == [WIDTH, WIDTH]
    masks, class_ids = dataset.load_mask(0)
    assert masks.shape == (HEIGHT, WIDTH, 2) and masks.dtype == bool
    assert class_ids.dtype == np.int32 and class_ids.tolist() == [1, 1]
    assert dataset.load_image(0).shape == (HEIGHT, WIDTH, 3)
    assert dataset.image_reference(1) == str(tmp_path / "val" / "b.png")


def test_polygons_on_the_border_are_cut_off(balloon, folder):
    masks, _ = balloon.make_dataset(folder, "train").load_mask(0)
    assert masks[30, 50, 1] and masks[HEIGHT - 1, WIDTH - 1, 1]
    assert not masks[10, 50].any()
    assert masks[:, :, 1].sum() == pytest.approx(20 * 20, rel=0.1)
    assert masks[:, :, 0].sum() == pytest.approx(20 * 15, rel=0.15)


def test_a_turned_photograph_and_its_masks_agree(balloon, folder):
    path = folder / "val" / "a.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter when shown
    Image.open(path).save(path, exif=exif)
    dataset = balloon.make_dataset(folder, "val")
    assert dataset.load_image(0).shape[:2] == dataset.load_mask(0)[0].shape[:2]


def test_foreign_images_have_no_balloons(balloon, folder):
    dataset = balloon.BalloonDataset()
    dataset.load_balloon(folder, "val")
    dataset.add_image("street", "x", "x.jpg")
    dataset.prepare()
    masks, class_ids = dataset.load_mask(2)
    assert masks.shape[-1] == len(class_ids) == 0
    assert dataset.image_reference(2) == "x.jpg"


def test_unknown_subsets_are_an_error(balloon, folder):
    with pytest.raises(ValueError, match="'test'"):
        balloon.make_dataset(folder, "test")


@pytest.mark.parametrize(
    ("subset", "images", "objects"), [("train", 61, 255), ("val", 13, 50)]
)
def test_the_real_photographs_load(balloon, shared, subset, images, objects):
    dataset = balloon.make_dataset(shared / "data" / "balloon", subset)
    assert dataset.num_images == images
    masks = [dataset.load_mask(i)[0] for i in dataset.image_ids]
    assert sum(mask.shape[-1] for mask in masks) == objects
    assert all(mask.any(axis=(0, 1)).all() for mask in masks)


@pytest.mark.parametrize("preset", ["full", "small"])
def test_presets_fit_the_data(balloon, preset):
    config = balloon.PRESETS[preset]()
    config.validate(num_dataset_classes=2)
    assert config.IMAGES_PER_GPU == 2


def test_old_values_of_the_config(balloon):
    config = balloon.BalloonConfig()
    assert (config.NAME, config.NUM_CLASSES, config.STEPS_PER_EPOCH) == (
        "balloon",
        2,
        100,
    )
    assert config.DETECTION_MIN_CONFIDENCE == 0.9
    assert config.BACKBONE == "resnet101"


@pytest.mark.parametrize("preset", ["full", "small"])
def test_augmentation_moves_image_and_masks(balloon, folder, preset):
    from mrcnn.data.augmentation.augment import augment

    dataset = balloon.make_dataset(folder, "train")
    image, objects = dataset.load_image(0), dataset.load_mask(0)
    augmentation = balloon.make_augmentation(balloon.PRESETS[preset](), dataset)
    new = augment(image, *objects, augmentation, np.random.default_rng(1))
    assert new.image.shape == image.shape
    assert new.mask.shape == (*image.shape[:2], len(new.class_ids))
    assert not np.array_equal(new.image, image)
    assert not np.array_equal(new.mask, objects[0])


PIXELS = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def test_splash_keeps_color_inside_and_greys_outside(balloon):
    masks = np.zeros((HEIGHT, WIDTH, 2), bool)
    masks[5:10, 5:20, 0] = masks[30:35, 40:50, 1] = True
    before = PIXELS.copy()
    splash = balloon.color_splash(PIXELS, masks)
    inside = masks.any(axis=2)
    assert splash.dtype == np.uint8 and splash.shape == PIXELS.shape
    np.testing.assert_array_equal(splash[inside], PIXELS[inside])
    grey = splash[~inside].astype(int)
    assert (grey == grey[:, :1]).all()
    luminance = PIXELS[~inside] @ [0.2125, 0.7154, 0.0721]
    np.testing.assert_allclose(grey[:, 0], luminance, atol=1)
    np.testing.assert_array_equal(PIXELS, before)


def test_splash_of_nothing_is_grey(balloon):
    splash = balloon.color_splash(PIXELS, np.zeros((HEIGHT, WIDTH, 0), bool))
    assert (splash == splash[:, :, :1]).all()


@pytest.fixture
def model(balloon, straw, folder):
    """A model that knows the photographs of val."""
    from mrcnn.model import MaskRCNN

    model = MaskRCNN("inference", balloon.BalloonConfig(), "logs")
    model.learn(balloon.make_dataset(folder, "val"))
    return model


def test_splash_of_an_image_file(balloon, model, folder, tmp_path, capsys):
    source, output = folder / "val" / "b.png", tmp_path / "new" / "folder"
    written = balloon.detect_and_color_splash(model, image_path=source, output=output)
    assert written == [output / "b_splash.png"]
    assert str(written[0]) in capsys.readouterr().out
    original, splash = np.asarray(Image.open(source)), np.asarray(Image.open(*written))
    np.testing.assert_array_equal(splash[30, 50], original[30, 50])
    assert len(set(splash[5, 5])) == 1


def test_splash_of_a_folder(balloon, model, folder, tmp_path):
    val = folder / "val"  # holds a json file too
    written = balloon.detect_and_color_splash(model, val, output=tmp_path)
    names = [path.name for path in written]
    assert names == ["a_splash.png", "b_splash.png", "later_splash.png"]
    assert all(path.exists() for path in written)


def test_splash_spares_files_of_the_user_and_is_no_input(balloon, model, folder):
    val = folder / "val"
    (val / "a_splash.png").write_bytes((val / "b.png").read_bytes())
    before = (val / "a_splash.png").read_bytes()
    expected = ["a_splash_2.png", "a_splash_splash.png", "b_splash.png"]
    for _ in range(2):
        written = balloon.detect_and_color_splash(model, val, output=val)
        assert [path.name for path in written] == [*expected, "later_splash.png"]
    assert (val / "a_splash.png").read_bytes() == before


def test_splash_of_a_video(balloon, model, tmp_path):
    cv2 = pytest.importorskip("cv2", reason="needs OpenCV")
    source = tmp_path / "video.avi"
    codec = cv2.VideoWriter_fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(source), codec, 10.0, (64, 48))
    for _ in range(3):
        writer.write(np.full((48, 64, 3), (0, 0, 255), np.uint8))
    writer.release()
    (target,) = balloon.detect_and_color_splash(
        model, video_path=source, output=tmp_path
    )
    more, frame = cv2.VideoCapture(str(target)).read()
    assert more and frame.shape == (48, 64, 3)
    spread = frame.astype(int).max(axis=2) - frame.min(axis=2)
    assert spread.max() < 10  # the red video has turned grey


def test_splash_needs_one_source(balloon, model):
    with pytest.raises(ValueError, match="image_path or video_path"):
        balloon.detect_and_color_splash(model)


def test_train_command(balloon, straw, folder, tmp_path):
    flags = ["--dataset", str(folder), "--logs", str(tmp_path), "--seed", "4"]
    assert balloon.main(["train", *flags, "--preset", "small", "--epochs", "7"]) == 0
    (model,) = straw
    assert model.mode == "training" and model.config.SEED == 4
    assert model.loaded == []  # from scratch
    ((train, val), options) = model.trained[0]
    assert train.num_images == val.num_images == 2
    folders = [Path(data.image_info[0]["path"]).parent.name for data in (train, val)]
    assert folders == ["train", "val"]
    assert options["epochs"] == 7 and options["layers"] == "all"
    assert options["resume"] is False
    # Kept in memory, as large as the network takes them.
    assert train.max_side == val.max_side == model.config.IMAGE_MAX_DIM


def test_train_command_may_resume(balloon, straw, folder):
    flags = ["--dataset", str(folder), "--preset", "small", "--resume"]
    assert balloon.main(["train", *flags]) == 0
    assert straw[0].trained[0][1]["resume"] is True


def test_damaged_data_ends_before_any_work(balloon, straw, folder, capsys):
    photo = folder / "train" / "b.png"
    photo.write_bytes(photo.read_bytes()[:200])
    flags = ["train", "--dataset", str(folder), "--preset", "small"]
    with pytest.raises(SystemExit) as error:
        balloon.main(flags)
    assert error.value.code == 2 and straw == []
    said = capsys.readouterr().err
    assert "1 errors" in said and str(photo) in said and "--no-check" in said
    assert balloon.main([*flags, "--no-check"]) == 0
    assert len(straw[0].trained) == 1


def test_pictures_of_both_subsets_are_damaged_data(balloon, straw, folder, capsys):
    for subset in ("train", "val"):
        Image.new("RGB", (WIDTH, HEIGHT)).save(folder / subset / "b.png")
    with pytest.raises(SystemExit):
        balloon.main(["train", "--dataset", str(folder), "--preset", "small"])
    assert "leaked image" in capsys.readouterr().err


def test_warnings_about_the_data_are_printed(balloon, straw, folder, capsys):
    assert balloon.main(["train", "--dataset", str(folder), "--preset", "small"]) == 0
    assert "0 errors" in capsys.readouterr().out


def test_train_from_coco_leaves_the_class_layers_out(
    balloon, straw, folder, tmp_path, monkeypatch
):
    weights = tmp_path / "coco.h5"
    weights.touch()
    monkeypatch.setattr(balloon, "COCO_WEIGHTS_PATH", weights)
    balloon.main(["train", "--dataset", str(folder), "--weights", "coco"])
    ((path, options),) = straw[0].loaded
    assert path == str(weights)
    assert "mrcnn_bbox_fc" in options["exclude"] and "mrcnn_mask" in options["exclude"]
    assert straw[0].trained[0][1]["layers"] == "heads"
    assert straw[0].trained[0][1]["epochs"] == 30


@pytest.mark.parametrize("word", ["coco", "imagenet", "last"])
def test_words_are_resolved_by_the_model(
    balloon, straw, folder, tmp_path, monkeypatch, word
):
    monkeypatch.chdir(tmp_path)  # where there is no mask_rcnn_coco.h5
    balloon.main(["train", "--dataset", str(folder), "--weights", word])
    ((path, options),) = straw[0].loaded
    assert path == word
    assert ("exclude" in options) == (word == "coco")


def test_a_download_that_fails_is_said(balloon, straw, folder, capsys, monkeypatch):
    from mrcnn.data.files.downloads import DownloadError
    from mrcnn.model import MaskRCNN

    def load_weights(self, path, **options):
        raise DownloadError("download(url='https://a/b.h5'): no connection")

    monkeypatch.setattr(MaskRCNN, "load_weights", load_weights)
    with pytest.raises(SystemExit) as error:
        balloon.main(["train", "--dataset", str(folder), "--weights", "imagenet"])
    assert error.value.code == 2
    assert "no connection" in capsys.readouterr().err


def test_evaluate_command_prints_ap_with_uncut_scores(
    balloon, straw, folder, monkeypatch, capsys
):
    from mrcnn.model import MaskRCNN

    def load_weights(self, path, **options):
        self.learn(balloon.make_dataset(folder, "val"))

    monkeypatch.setattr(MaskRCNN, "load_weights", load_weights)
    assert (
        balloon.main(["evaluate", "--dataset", str(folder), "--weights", "last"]) == 0
    )
    assert straw[0].config.DETECTION_MIN_CONFIDENCE == 0
    out = capsys.readouterr().out
    assert "2 photographs of val, all scores kept" in out
    assert "boxes   1.000  1.000  1.000" in out and "masks   1.000" in out


def test_splash_command(balloon, straw, folder, tmp_path):
    weights = tmp_path / "mine.h5"
    weights.touch()
    flags = ["--weights", str(weights), "--output", str(tmp_path)]
    image = str(folder / "val" / "a.jpg")
    assert balloon.main(["splash", *flags, "--image", image]) == 0
    assert straw[0].loaded == [(str(weights), {"by_name": True})]
    assert (tmp_path / "a_splash.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "required"),
        ("train --weights none", "--dataset"),
        ("train --dataset {data}", "--weights is missing"),
        ("train --dataset nowhere --weights none", "nowhere: train/via_region_data"),
        ("train --dataset {data} --weights nowhere.h5", "nowhere.h5: no such file"),
        ("train --dataset {data} --weights coco --preset small", "only good to train"),
        ("train --dataset {data} --weights imagenet --preset small", "only good to"),
        ("evaluate --dataset {data} --weights none", "needs a trained network"),
        ("evaluate --dataset {data} --weights coco", "only good to train"),
        ("evaluate --dataset {data} --weights imagenet", "only good to train"),
        ("evaluate --dataset {data}/val --weights last", "val/via_region_data.json"),
        ("splash --weights last", "--image --video"),
        ("splash --weights last --image nowhere.jpg", "nowhere.jpg: no such file"),
        ("splash --weights last --image {empty}", "a folder without images"),
        ("splash --weights last --video nowhere.avi", "nowhere.avi: no such file"),
        ("splash --weights last --video {data}", "no such file"),
        ("splash --weights last --image {file} --output {file}", "name a folder"),
    ],
)
def test_wrong_arguments_end_before_any_work(
    balloon, straw, folder, tmp_path, capsys, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    file = folder / "val" / "a.jpg"
    arguments = arguments.format(data=folder, empty=tmp_path / "empty", file=file)
    with pytest.raises(SystemExit) as error:
        balloon.main(arguments.split())
    assert error.value.code == 2
    assert message in capsys.readouterr().err
    assert straw == []


def test_no_checkpoint_yet_is_said(balloon, straw, folder, capsys, monkeypatch):
    from mrcnn.model import MaskRCNN

    def load_weights(self, path, **options):
        raise FileNotFoundError("find_last(): no run in logs")

    monkeypatch.setattr(MaskRCNN, "load_weights", load_weights)
    with pytest.raises(SystemExit) as error:
        balloon.main(["evaluate", "--dataset", str(folder), "--weights", "last"])
    assert error.value.code == 2
    assert "no run in logs" in capsys.readouterr().err
