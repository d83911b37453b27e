"""COCO's numbers: published ones, and cases worked out by hand."""

from __future__ import annotations

import copy
import doctest
import json
import math

import numpy as np
import pytest
from pycocotools import mask as mask_utils

from mrcnn import evaluation
from mrcnn.evaluation import coco
from mrcnn.evaluation.coco_format import to_rle

# pycocotools hands NumPy 2 an old kind of array.
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")

HEIGHT, WIDTH = 120, 200


def record(image_id, gt, pred, **changes):
    """A record of [(class_id, box)] and [(class_id, score, box)]; masks fill boxes."""

    def masks(boxes):
        stack = np.zeros((HEIGHT, WIDTH, len(boxes)), bool)
        for i, (y1, x1, y2, x2) in enumerate(boxes):
            stack[y1:y2, x1:x2, i] = True
        return stack

    boxes = [box for *_, box in pred]
    return {
        "image_id": image_id,
        "height": HEIGHT,
        "width": WIDTH,
        "gt_masks": masks([box for _, box in gt]),
        "gt_class_ids": np.array([class_id for class_id, _ in gt], np.int32),
        "rois": np.array(boxes, np.int32).reshape(-1, 4),
        "class_ids": np.array([class_id for class_id, *_ in pred], np.int32),
        "scores": np.array([score for _, score, _ in pred], np.float32),
        "masks": masks(boxes),
        **changes,
    }


def evaluate(*records):
    """AP and friends of boxes; those of the masks must be the same, as they fill."""
    metrics = coco.evaluate_detections(records)
    assert metrics["segm"] == pytest.approx(metrics["bbox"], nan_ok=True)
    return metrics["bbox"]


LEFT, RIGHT = (10, 10, 60, 60), (10, 110, 60, 160)

PUBLISHED = {  # val2014_fake_eval_res.txt, in the order of METRICS
    "segm": "0.320 0.562 0.299 0.387 0.310 0.327 0.268 0.415 0.417 0.469 0.377 0.381",
    "bbox": "0.505 0.697 0.573 0.586 0.519 0.501 0.387 0.594 0.595 0.640 0.566 0.564",
}


def read_published(shared, kind):
    """Annotations and results of the hundred images."""
    folder = shared / "data" / "eval_coco100"
    results = folder / f"instances_val2014_fake{kind}100_results.json"
    truth = json.loads((folder / "instances_val2014_100.json").read_text())
    return truth, json.loads(results.read_text())


@pytest.mark.parametrize("kind", ["segm", "bbox"])
def test_published_numbers_come_out(shared, kind):
    metrics = coco.coco_metrics(*read_published(shared, kind), kind)
    ours = " ".join(f"{metrics[name]:.3f}" for name in coco.METRICS)
    assert ours == PUBLISHED[kind]


@pytest.mark.parametrize("kind", ["segm", "bbox"])
def test_numbers_are_pycocotools_own_to_the_last_bit(shared, kind, monkeypatch):
    from pycocotools.cocoeval import COCOeval

    kept = []
    accumulate = COCOeval.accumulate
    monkeypatch.setattr(
        COCOeval, "accumulate", lambda self: (accumulate(self), kept.append(self))
    )
    metrics = coco.coco_metrics(*read_published(shared, kind), kind)
    kept[0].summarize()
    assert list(metrics) == list(coco.METRICS)
    assert list(metrics.values()) == kept[0].stats.tolist()


def test_records_give_what_the_annotation_file_gives(shared):
    truth, results = read_published(shared, "segm")
    ids = {image["id"] for image in truth["images"] if image["id"] % 3 == 0}
    crowds = [a["image_id"] for a in truth["annotations"] if a["iscrowd"]]
    ids |= set(crowds[:2])
    # In the order of their ids, in which COCO ranks results of the same score.
    images = [image for image in truth["images"] if image["id"] in ids]
    images.sort(key=lambda image: image["id"])
    annotations = [a for a in truth["annotations"] if a["image_id"] in ids]
    results = [result for result in results if result["image_id"] in ids]

    def records():
        for image in images:
            size = (image["height"], image["width"])
            own = [a for a in annotations if a["image_id"] == image["id"]]
            found = [r for r in results if r["image_id"] == image["id"]]
            rles = [to_rle(a["segmentation"], *size) for a in own]
            signs = [-1 if a["iscrowd"] else 1 for a in own]
            masks = [mask_utils.decode(rle) for rle in rles]
            boxes = [mask_utils.toBbox(r["segmentation"]) for r in found]
            yield {
                "image_id": f"image {image['id']}",
                "height": size[0],
                "width": size[1],
                "gt_masks": np.stack(masks, -1) if own else np.zeros((*size, 0)),
                "gt_class_ids": np.multiply(signs, [a["category_id"] for a in own]),
                "rois": [(y, x, y + h, x + w) for x, y, w, h in boxes],
                "class_ids": [r["category_id"] for r in found],
                "scores": [r["score"] for r in found],
                "rles": [r["segmentation"] for r in found],
            }

    expected = coco.coco_metrics(
        {**truth, "images": images, "annotations": annotations}, results, "segm"
    )
    ours = coco.evaluate_detections(records())["segm"]
    for name in ("AP", "AP50", "AP75", "AR1", "AR10", "AR100"):
        assert ours[name] == pytest.approx(expected[name]), name
    assert 0.1 < ours["AP"] < 0.9


def test_perfect_detections_have_ap_1():
    metrics = evaluate(
        record("a", [(1, LEFT), (2, RIGHT)], [(1, 0.9, LEFT), (2, 0.3, RIGHT)]),
        record("b", [(2, LEFT)], [(2, 0.1, LEFT)]),
    )
    assert metrics["AP"] == metrics["AP50"] == metrics["AR100"] == pytest.approx(1)


def test_half_of_the_objects_is_half_of_the_curve():
    metrics = evaluate(record(1, [(1, LEFT), (1, RIGHT)], [(1, 0.9, LEFT)]))
    # Precision 1 at the recalls 0, 0.01 ... 0.50: 51 of COCO's 101 points.
    assert metrics["AP"] == pytest.approx(51 / 101)


def test_a_surer_false_alarm_halves_precision():
    metrics = evaluate(record(1, [(1, LEFT)], [(1, 0.5, LEFT), (1, 0.9, RIGHT)]))
    assert metrics["AP"] == pytest.approx(0.5)


def test_ap_is_the_mean_over_ten_ious():
    cut = (10, 10, 60, 10 + 38)  # 38 of 50 columns: IoU 0.76, right up to 0.75
    metrics = evaluate(record(1, [(1, LEFT)], [(1, 0.9, cut)]))
    assert metrics["AP"] == pytest.approx(0.6)
    assert metrics["AP50"] == metrics["AP75"] == pytest.approx(1)


def test_detections_on_a_crowd_do_not_count():
    crowd = (0, 100, 120, 200)
    pred = [(1, 0.9, RIGHT), (1, 0.8, LEFT)]
    metrics = evaluate(record(1, [(1, LEFT), (-1, crowd)], pred))
    assert metrics["AP"] == pytest.approx(1)
    # The same detection where no crowd is, or a crowd of another class, is wrong.
    assert evaluate(record(1, [(1, LEFT)], pred))["AP"] == pytest.approx(0.5)
    other = record(1, [(1, LEFT), (-2, crowd)], pred)
    assert evaluate(other)["AP"] == pytest.approx(0.5)


def test_boxes_and_masks_are_judged_apart():
    wrong_mask = record(1, [(1, LEFT)], [(1, 0.9, LEFT)])
    wrong_mask["masks"] = np.zeros_like(wrong_mask["masks"])
    metrics = coco.evaluate_detections([wrong_mask])
    assert metrics["bbox"]["AP"] == pytest.approx(1)
    assert metrics["segm"]["AP"] == 0


def test_sizes_are_those_of_the_masks():
    # The box of 50 x 50 px is "medium" (above 32 x 32), its mask of 50 px "small".
    diagonal = np.zeros((HEIGHT, WIDTH, 1), bool)
    diagonal[np.arange(10, 60), np.arange(10, 60)] = True
    thin = record(1, [(1, LEFT)], [(1, 0.9, LEFT)], gt_masks=diagonal)
    thin["masks"] = diagonal
    metrics = coco.evaluate_detections([thin])["segm"]
    assert metrics["APs"] == pytest.approx(1)
    assert math.isnan(metrics["APm"]) and math.isnan(metrics["APl"])


def test_no_detections_are_ap_0():
    assert evaluate(record(1, [(1, LEFT)], []))["AP"] == 0


def test_no_objects_leave_nothing_to_measure():
    empty = record(1, [], [(1, 0.9, LEFT)])
    assert math.isnan(evaluate(empty)["AP"])
    assert all(math.isnan(value) for value in evaluate().values())


def test_an_image_without_objects_counts_its_false_alarms():
    full = record(1, [(1, LEFT)], [(1, 0.5, LEFT)])
    empty = record(2, [], [(1, 0.9, LEFT)])
    assert evaluate(full, empty)["AP"] == pytest.approx(0.5)


def test_the_empty_masks_of_a_data_set_fit_any_image():
    none = record(2, [], [], gt_masks=np.zeros((0, 0, 0), bool))
    full = record(1, [(1, LEFT)], [(1, 0.5, LEFT)])
    assert evaluate(full, none)["AP"] == pytest.approx(1)


def test_a_mask_without_a_pixel_is_no_object():
    ghost = record(1, [(1, LEFT), (1, (0, 0, 0, 0))], [(1, 0.9, LEFT)])
    assert evaluate(ghost)["AP"] == pytest.approx(1)


def test_run_lengths_do_for_masks():
    plain = record(1, [(1, LEFT)], [(1, 0.9, (10, 10, 60, 50))])
    as_rle = {**plain, "masks": evaluation.masks_to_rles(plain["masks"])}
    as_rles = {**plain, "masks": None, "rles": as_rle["masks"]}
    assert evaluate(as_rle) == pytest.approx(evaluate(plain), nan_ok=True)
    assert evaluate(as_rles) == pytest.approx(evaluate(plain), nan_ok=True)


def test_without_masks_only_boxes_are_measured():
    boxes_only = record(1, [(1, LEFT)], [(1, 0.9, LEFT)], masks=None)
    assert list(coco.evaluate_detections([boxes_only])) == ["bbox"]


def test_boxes_of_the_truth_may_be_given():
    given = record(1, [(1, LEFT)], [(1, 0.9, RIGHT)], gt_boxes=np.array([RIGHT]))
    metrics = coco.evaluate_detections([given])
    assert metrics["bbox"]["AP"] == pytest.approx(1)
    assert metrics["segm"]["AP"] == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scores": np.array([0.5, 0.5])}, "2 scores for 1 rois"),
        ({"class_ids": np.array([], int)}, "0 class_ids for 1 rois"),
        ({"gt_class_ids": np.array([1, 1])}, "2 gt_class_ids for 1 gt_boxes"),
        ({"masks": np.zeros((HEIGHT, WIDTH, 2), bool)}, "2 masks for 1 rois"),
        ({"masks": [np.ones((50, 50), bool)]}, "'full' or 'rle'"),
        ({"height": HEIGHT + 1}, "gt_masks of size (120, 200)"),
    ],
)
def test_records_that_do_not_fit_are_named(changes, message):
    bad = record("photo 7", [(1, LEFT)], [(1, 0.9, LEFT)], **changes)
    with pytest.raises(ValueError, match="photo 7") as error:
        coco.evaluate_detections([bad])
    assert message in str(error.value)


def test_an_image_comes_once():
    twice = record("photo 7", [(1, LEFT)], [])
    with pytest.raises(ValueError, match=r"photo 7.*second"):
        coco.evaluate_detections([twice, twice])


def truth_of_one(**annotation):
    """A COCO dict of one image with one object, and one right result."""
    images = [{"id": 5, "height": 50, "width": 50}]
    own = {"image_id": 5, "category_id": 3, "bbox": [0, 0, 10, 20], **annotation}
    truth = {"images": images, "categories": [{"id": 3}], "annotations": [own]}
    return truth, [{**own, "score": 0.5}]


def test_annotation_id_0_can_be_matched():
    truth, results = truth_of_one(id=0, iscrowd=0, area=200)
    assert coco.coco_metrics(truth, results)["AP"] == pytest.approx(1)


def test_polygons_and_both_run_lengths_are_one():
    polygon = [[0, 0, 10, 0, 10, 20, 0, 20]]
    column = [20, 30] * 10
    counts = [0, *column[:-1], 30 + 40 * 50]  # ten columns of 20 set, 30 not
    uncompressed = {"size": [50, 50], "counts": counts}
    compressed = mask_utils.frPyObjects(uncompressed, 50, 50)
    truth, _ = truth_of_one(segmentation=polygon)
    for segmentation in (uncompressed, compressed):
        _, results = truth_of_one(segmentation=segmentation)
        assert coco.coco_metrics(truth, results, "segm")["AP"] == pytest.approx(1)


def test_metrics_are_silent_and_change_nothing(capsys):
    truth, results = truth_of_one(segmentation=[[0, 0, 10, 0, 10, 20, 0, 20]])
    _, results = truth_of_one(segmentation=to_rle([[0, 0, 9, 0, 9, 9]], 50, 50))
    before = copy.deepcopy((truth, results))
    coco.coco_metrics(truth, results, "segm")
    coco.coco_metrics(truth, results, "bbox")
    assert (truth, results) == before
    assert capsys.readouterr() == ("", "")


def test_results_of_foreign_images_are_an_error():
    truth, results = truth_of_one()
    results[0]["image_id"] = 99
    with pytest.raises(ValueError, match="99"):
        coco.coco_metrics(truth, results)


def test_no_number_of_detections_is_an_error():
    with pytest.raises(ValueError, match=r"coco_evaluation\(max_detections=0\)"):
        coco.coco_metrics(*truth_of_one(), max_detections=0)


def test_unknown_iou_type_is_an_error():
    with pytest.raises(ValueError, match="keypoints"):
        coco.coco_metrics(*truth_of_one(), "keypoints")


def test_ground_truth_fills_in_what_is_missing():
    truth, _ = truth_of_one(segmentation=[[0, 0, 10, 0, 10, 20, 0, 20]])
    del truth["annotations"][0]["bbox"]
    filled = coco.to_coco_ground_truth(**truth)["annotations"][0]
    assert filled["id"] == 1 and filled["iscrowd"] == 0
    assert filled["area"] == 200
    assert filled["bbox"] == [0, 0, 10, 20]
    assert "area" not in truth["annotations"][0]


@pytest.mark.parametrize("key", ["image_id", "category_id"])
def test_ground_truth_of_unlisted_things_is_an_error(key):
    truth, _ = truth_of_one(**{key: 77})
    with pytest.raises(ValueError, match="77"):
        coco.to_coco_ground_truth(**truth)


def test_rles_decode_to_the_masks():
    masks = np.random.default_rng(0).random((7, 11, 3)) < 0.5
    rles = evaluation.masks_to_rles(masks)
    for i, rle in enumerate(json.loads(json.dumps(rles))):
        np.testing.assert_array_equal(mask_utils.decode(rle), masks[:, :, i])
    assert evaluation.masks_to_rles(masks[:, :, :0]) == []


def test_one_mask_without_its_axis_is_an_error():
    with pytest.raises(ValueError, match=r"mask\[:, :, None\]"):
        evaluation.masks_to_rles(np.ones((7, 11), bool))


class TinyDataset:
    """Two images of other sizes; the second one shows nothing."""

    image_ids = np.array([0, 1])

    def load_image(self, image_id):
        return np.zeros([(HEIGHT, WIDTH, 3), (30, 40, 3)][image_id], np.uint8)

    def load_mask(self, image_id):
        if image_id == 1:
            return np.zeros((0, 0, 0), bool), np.zeros(0, np.int32)
        truth = record(0, [(1, LEFT)], [])
        return truth["gt_masks"], truth["gt_class_ids"]


class TinyModel:
    """Finds the left object whatever it sees."""

    def detect(self, images, verbose=0, masks="full"):
        assert masks == "rle"
        found = record(0, [], [(1, 0.9, LEFT)])
        keys = ("rois", "class_ids", "scores")
        rles = evaluation.masks_to_rles(found["masks"])
        return [{**{key: found[key] for key in keys}, "masks": rles} for _ in images]


def test_records_of_a_data_set():
    records = list(evaluation.dataset_records(TinyModel(), TinyDataset(), [0]))
    assert [r["image_id"] for r in records] == [0]
    assert coco.evaluate_detections(records)["segm"]["AP"] == pytest.approx(1)
    # The false alarm in the second image is as sure, and comes second.
    both = list(evaluation.dataset_records(TinyModel(), TinyDataset()))
    assert [(r["height"], r["width"]) for r in both] == [(HEIGHT, WIDTH), (30, 40)]


def test_table_without_masks_has_one_row():
    metrics = dict.fromkeys(coco.METRICS, 0.5)
    assert "masks" not in coco.format_metrics({"bbox": metrics})
    assert "masks   0.500" in coco.format_metrics({"bbox": metrics, "segm": metrics})
    assert "nan" in coco.format_metrics({"segm": {**metrics, "AP": math.nan}})


def test_examples_in_docstrings_hold():
    result = doctest.testmod(coco)
    assert result.attempted > 0 and result.failed == 0
