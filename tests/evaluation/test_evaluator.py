"""evaluate: the whole set, every class, scores uncut."""

from __future__ import annotations

import json
import math
import warnings

import numpy as np
import pytest

from mrcnn.data.formats.coco.coco_dataset import CocoDataset
from mrcnn.evaluation import EvaluationResult, evaluate
from mrcnn.evaluation.coco import METRICS, evaluate_detections
from mrcnn.evaluation.evaluator import score_cut
from tests.evaluation.cases import LEFT, CutLayer, TinyDataset, TinyModel
from tests.evaluation.cases import record as make_record
from tests.evaluation.test_coco import PUBLISHED

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")


@pytest.fixture(scope="module")
def result():
    return evaluate(TinyModel(), TinyDataset(), verbose=0)


def test_numbers_are_those_of_all_images_and_all_scores(result):
    rows = zip(TinyDataset.truth, TinyModel.found, strict=True)
    expected = evaluate_detections(
        make_record(i, gt, pred) for i, (gt, pred) in enumerate(rows)
    )
    assert set(result) == {"bbox", "segm"} and len(result) == 2
    for kind in result:
        assert result[kind] == pytest.approx(expected[kind], nan_ok=True)
    # The dog of score 0.2 is found, which a cut at 0.7 would have prevented.
    assert result["segm"]["AP"] == pytest.approx(1)
    assert len(result.records) == 3


class PublishedDataset(CocoDataset):
    """COCO's hundred images, of which only the annotations are there."""

    def load_image(self, image_id):
        return np.zeros((*self.image_size(image_id), 3), np.uint8)


class PublishedModel(TinyModel):
    """Gives the published results, image after image."""

    def __init__(self, dataset, results):
        super().__init__()
        self.config.NUM_CLASSES = dataset.num_classes
        self.found = [
            [r for r in results if r["image_id"] == info["id"]]
            for info in dataset.image_info
        ]
        self.class_id = lambda r: dataset.map_source_class_id(
            f"coco.{r['category_id']}"
        )

    def detect(self, images, verbose=0, masks="full"):
        results = [self.found.pop(0) for _ in images]
        return [
            {
                "rois": [
                    (y, x, y + h, x + w)
                    for x, y, w, h in (r.get("bbox", (0, 0, 1, 1)) for r in rows)
                ],
                "class_ids": [self.class_id(r) for r in rows],
                "scores": [r["score"] for r in rows],
                "masks": [r["segmentation"] for r in rows] if masks else None,
            }
            for rows in results
        ]


@pytest.mark.parametrize("kind", ["segm", "bbox"])
def test_published_numbers_come_out_of_a_data_set(shared, kind):
    folder = shared / "data" / "eval_coco100"
    dataset = PublishedDataset()
    dataset.load_json(folder / "instances_val2014_100.json", folder)
    dataset.prepare()
    results = folder / f"instances_val2014_fake{kind}100_results.json"
    model = PublishedModel(dataset, json.loads(results.read_text()))
    found = evaluate(model, dataset, iou_types=(kind,), verbose=0)
    ours = " ".join(f"{found[kind][name]:.3f}" for name in METRICS)
    assert ours == PUBLISHED[kind]


def test_a_score_cut_that_is_asked_for_holds():
    cut = evaluate(TinyModel(), TinyDataset(), min_confidence=0.5, verbose=0)
    assert cut["segm"]["AP"] == pytest.approx(0.5)  # no dog
    assert cut.min_confidence == 0.5
    assert "scores from 0.5 on" in cut.table()


@pytest.mark.parametrize("fails", [False, True])
def test_the_model_gets_its_score_cut_back(fails):
    model, dataset = TinyModel(cut=0.7), TinyDataset()
    if fails:
        dataset.load_image = None
        with pytest.raises(TypeError):
            evaluate(model, dataset, verbose=0)
    else:
        evaluate(model, dataset, verbose=0)
    assert model.layer.min_confidence == 0.7


def test_a_cut_that_cannot_be_changed_is_told():
    class Stubborn(TinyModel):
        keras_model = None

        def __init__(self):
            super().__init__()
            self.keras_model, self.layer = None, CutLayer(0.7)

    with pytest.warns(UserWarning, match="Stubborn.*cut can't be changed"):
        cut = evaluate(Stubborn(), TinyDataset(), verbose=0)
    assert cut["bbox"]["AP"] == pytest.approx(0.5)
    assert cut.min_confidence is None
    assert "unknown" in cut.table()


def test_a_visible_cut_draws_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with score_cut(TinyModel(), 0.0) as is_cut:
            assert is_cut


def test_images_are_detected_in_batches_of_the_model():
    model = TinyModel(batch_size=2)
    evaluate(model, TinyDataset(), verbose=0)
    assert model.batches == [(2, "rle"), (1, "rle")]


def test_boxes_alone_need_no_masks():
    model = TinyModel()
    boxes = evaluate(model, TinyDataset(), iou_types=("bbox",), verbose=0)
    assert list(boxes) == ["bbox"]
    assert {form for _, form in model.batches} == {None}
    with pytest.raises(KeyError):
        boxes["segm"]


def test_masks_that_do_not_come_are_an_error():
    class Boxes(TinyModel):
        def detect(self, images, verbose=0, masks="full"):
            return super().detect(images, masks=None)

    with pytest.raises(ValueError, match=r"no masks.*image 0"):
        evaluate(Boxes(), TinyDataset(), verbose=0)


def test_some_images_and_some_classes():
    some = evaluate(TinyModel(), TinyDataset(), [2], class_ids=[2], verbose=0)
    assert [r.image_id for r in some.records] == [2]
    assert some.class_names == {2: "dog"}
    # One detection of a dog, which lies on the crowd; no dog to find.
    assert math.isnan(some["segm"]["AP"])
    assert some.per_class()[0]["detections"] == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_ids": [3]}, r"image_ids=\[3\]"),
        ({"image_ids": [0, 0]}, "each once"),
        ({"image_ids": []}, "at least one"),
        ({"class_ids": [0]}, "from 1 to 3"),
        ({"class_ids": []}, "from 1 to 3"),
        ({"iou_types": ("keypoints",)}, "keypoints"),
        ({"iou_types": ()}, "choose"),
    ],
)
def test_what_is_not_there_is_an_error(changes, message):
    with pytest.raises(ValueError, match=message):
        evaluate(TinyModel(), TinyDataset(), verbose=0, **changes)


def test_a_model_of_other_classes_is_an_error():
    model = TinyModel()
    model.config.NUM_CLASSES = 81
    with pytest.raises(ValueError, match="NUM_CLASSES=81.*4 with the background"):
        evaluate(model, TinyDataset(), verbose=0)


@pytest.mark.parametrize(
    ("who", "rows"), [("detect", [(9, 0.9, LEFT)]), ("load_mask", [(9, LEFT)])]
)
def test_a_class_that_is_not_there_is_an_error(who, rows):
    model, dataset = TinyModel(), TinyDataset()
    if who == "detect":
        model.found = [*model.found[:2], rows]
    else:
        dataset.truth = [*dataset.truth[:2], rows]
    with pytest.raises(ValueError, match=rf"image_id=2\): {who}.*class id 9"):
        evaluate(model, dataset, verbose=0)


def test_a_set_without_images_is_an_error():
    dataset = TinyDataset()
    dataset.image_ids = np.arange(0)
    with pytest.raises(ValueError, match="no images"):
        evaluate(TinyModel(), dataset, verbose=0)


def test_verbose_prints_the_table_and_0_nothing(capsys, result):
    evaluate(TinyModel(), TinyDataset(), verbose=0)
    assert capsys.readouterr() == ("", "")
    evaluate(TinyModel(), TinyDataset(), verbose=1)
    assert capsys.readouterr().out == result.table() + "\n"


def test_short_names_of_classes_leave_the_heads_of_the_table_apart():
    short = TinyDataset()
    short.class_names = ["BG", *(f"{i}" for i in range(1, short.num_classes))]
    table = evaluate(TinyModel(), short, verbose=0).table()
    assert table.count("boxes  objects") == table.count("masks  objects") == 1


def test_table_names_kinds_numbers_and_classes_with_objects(result):
    lines = result.table().splitlines()
    assert lines[0] == "3 images; COCO, mean over IoU 0.50:0.95"
    assert lines[2].split() == list(METRICS)
    assert lines[3].split()[:2] == ["boxes", "1.000"]
    assert lines[3].split()[4] == "-"  # no object is small
    rows = [line.split()[:3] for line in lines if line.startswith(("cat", "dog"))]
    assert rows == 2 * [["cat", "2", "1.000"], ["dog", "1", "1.000"]]
    assert "cow" not in result.table()


@pytest.mark.parametrize(("count", "is_told"), [(100, False), (101, True)])
def test_table_tells_of_more_objects_than_coco_looks_at(count, is_told):
    model, dataset = TinyModel(), TinyDataset()
    boxes = [(i, 0, i + 1, 10) for i in range(count)]
    dataset.truth = ([(1, box) for box in boxes], [], [])
    model.found = ([(1, 0.9, box) for box in boxes], [], [])
    crowded = evaluate(model, dataset, verbose=0)
    assert ("1 images have more than 100" in crowded.table()) is is_told
    assert (crowded["bbox"]["AP"] < 0.995) is is_told
    assert crowded.voc().mean_ap == crowded.dsb2018().score == 1


def crowded(count, **options):
    """evaluate() of an image with so many objects, all found, each with less surety."""
    model, dataset = TinyModel(), TinyDataset()
    boxes = [(y, x, y + 2, x + 10) for x in range(0, 60, 12) for y in range(0, 120, 3)]
    dataset.truth = ([(1, box) for box in boxes[:count]], [], [])
    model.found = ([(1, 1 - i / 999, b) for i, b in enumerate(boxes[:count])], [], [])
    return evaluate(model, dataset, verbose=0, **options)


def test_coco_s_cut_caps_recall_where_150_objects_are_found():
    caps, wide = crowded(150), crowded(150, max_detections=200)
    for kind in ("bbox", "segm"):
        # Recalls 0, 0.01 ... 0.66 are reached: 67 of COCO's 101 points.
        assert caps[kind]["AP"] == pytest.approx(67 / 101)
        assert caps[kind]["AR100"] == pytest.approx(100 / 150)
        assert wide[kind]["AP"] == wide[kind]["AR100"] == pytest.approx(1)
        assert wide.per_class()[0][kind]["AR100"] == pytest.approx(1)
        # The other recalls are those of 1 and 10 detections as before.
        assert wide[kind]["AR10"] == caps[kind]["AR10"] == pytest.approx(10 / 150)
    assert np.count_nonzero(wide.curve("segm").precision) == 101


def test_table_and_json_say_how_many_detections_count():
    caps, wide = crowded(150), crowded(150, max_detections=200)
    assert (caps.max_detections, wide.max_detections) == (100, 200)
    head, names = caps.table().splitlines()[0], caps.table().splitlines()[3].split()
    assert "detections" not in head and names[8] == "AR100"
    assert "1 images have more than 100 objects of one class, up to 150" in caps.table()
    lines = wide.table().splitlines()
    assert lines[0].endswith("200 detections of a class and image, not 100 as COCO")
    assert lines[2].split()[8] == "AR200" and "AR100" not in wide.table()
    assert "have more than" not in wide.table()
    assert "have more than 120" in crowded(150, max_detections=120).table()
    assert wide.to_dict()["max_detections"] == 200
    assert wide.to_dict()["coco"]["segm"]["AR100"] == pytest.approx(1)


def test_few_detections_may_count():
    one = crowded(20, max_detections=1)["bbox"]
    assert one["AR1"] == one["AR10"] == one["AR100"] == pytest.approx(1 / 20)


def test_100_is_what_it_was():
    assert dict(crowded(150)) == dict(crowded(150, max_detections=100))


@pytest.mark.parametrize("number", [0, -1, 1.5, "200"])
def test_a_wrong_number_of_detections_is_an_error(number):
    with pytest.raises(ValueError, match="max_detections"):
        crowded(1, max_detections=number)


@pytest.mark.parametrize(
    ("limits", "wanted", "is_told"),
    [
        ((35, 900), 100, False),
        ((35, 900), 50, False),
        ((35, 900), 200, True),
        ((900, 35), 200, True),
        ((400, 300), 300, False),
    ],
)
def test_a_model_that_returns_fewer_is_told_of(limits, wanted, is_told):
    model = TinyModel()
    config = model.config
    config.DETECTION_MAX_INSTANCES, config.POST_NMS_ROIS_INFERENCE = limits
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        evaluate(model, TinyDataset(), verbose=0, max_detections=wanted)
    text = "DETECTION_MAX_INSTANCES={}, POST_NMS_ROIS_INFERENCE={}".format(*limits)
    assert any(text in str(warning.message) for warning in told) is is_told


def test_per_class_counts_objects_and_detections(result):
    rows = {row["name"]: row for row in result.per_class()}
    assert [rows[n]["objects"] for n in ("cat", "dog", "cow")] == [2, 1, 0]
    assert [rows[n]["detections"] for n in ("cat", "dog", "cow")] == [4, 2, 0]
    assert rows["dog"]["segm"]["AP75"] == pytest.approx(1)
    assert math.isnan(rows["cow"]["bbox"]["AP"])


def test_the_other_measures_are_at_hand(result):
    assert result.voc().mean_ap == pytest.approx(1)
    assert result.voc("segm", use_07_metric=True).mean_ap == pytest.approx(1)
    # Image 0: the unsure dog is missed. Image 2: the surplus cat is wrong.
    assert result.dsb2018().per_image == pytest.approx({0: 0.5, 1: 1.0, 2: 0.5})
    matrix = result.confusion_matrix("segm")
    assert matrix.tolist() == [[0, 1, 0, 0], [0, 2, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert np.mean(result.curve("segm", 1).precision) == pytest.approx(1)
    assert result.flat()["segm_AP50"] == result["segm"]["AP50"]
    assert "3 images" in repr(result)


def test_json_holds_all_and_no_nan(result, tmp_path):
    text = result.to_json(tmp_path / "new" / "scores.json")
    content = json.loads((tmp_path / "new" / "scores.json").read_text())
    assert content == json.loads(text)
    assert content["images"] == 3 and content["min_confidence"] == 0.0
    assert content["coco"]["segm"]["AP"] == pytest.approx(1)
    assert content["coco"]["segm"]["APs"] is None
    assert content["classes"][2]["name"] == "cow"
    assert content["classes"][2]["bbox"]["AP"] is None
    assert content["voc"]["bbox"]["area"]["mean_ap"] == pytest.approx(1)
    assert content["voc"]["bbox"]["11_points"]["ap"] == [1, 1, None]
    assert content["dsb2018"] == pytest.approx(2 / 3)
    assert content["confusion"]["bbox"]["labels"] == ["background", "cat", "dog", "cow"]


@pytest.mark.parametrize("classes", [None, [2]])
def test_figures_are_written(tmp_path, classes):
    some = evaluate(TinyModel(), TinyDataset(), class_ids=classes, verbose=0)
    paths = some.plot(tmp_path / "figures")
    names = ["pr", "ap", "confusion"]
    assert [p.name for p in paths] == [
        f"{name}_{kind}.png" for kind in ("bbox", "segm") for name in names
    ]
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in paths)


def test_figures_of_nothing_are_written(tmp_path):
    model, dataset = TinyModel(), TinyDataset()
    model.found = dataset.truth = ([], [], [])
    nothing = evaluate(model, dataset, verbose=0)
    assert isinstance(nothing, EvaluationResult)
    assert len(nothing.plot(tmp_path)) == 6
    assert nothing.dsb2018().score == 1
    assert json.loads(nothing.to_json())["coco"]["bbox"]["AP"] is None
