"""What becomes of a record before it is measured."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from mrcnn.data.objects import Objects
from mrcnn.evaluation.coco_format import masks_to_rles
from mrcnn.evaluation.dataset_records import truth_record
from mrcnn.evaluation.records import (
    check_kinds,
    coco_rows,
    compact,
    compact_all,
    occurring_class_ids,
    with_classes,
)
from mrcnn.geometry.crops import Crop
from tests.evaluation.cases import HEIGHT, LEFT, MIDDLE, RIGHT, WIDTH, TinyDataset
from tests.evaluation.cases import record as make_record

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")

EMPTY = (0, 0, 0, 0)


def test_masks_and_run_lengths_are_one():
    as_rles = make_record(1, [(1, LEFT), (-2, RIGHT)], [(1, 0.5, MIDDLE)])
    masks, class_ids = TinyDataset().load_mask(2)
    as_masks = {**as_rles, "gt_masks": masks, "gt_rles": None}
    assert class_ids.tolist() == [1, -2]
    ours, expected = compact(as_masks), compact(as_rles)
    assert ours.gt_rles == expected.gt_rles
    np.testing.assert_array_equal(ours.gt_boxes, [LEFT, RIGHT])
    assert ours.gt_areas.tolist() == expected.gt_areas.tolist() == [2500, 2500]
    assert ours.gt_class_ids.tolist() == [1, 2]
    assert ours.gt_is_crowd.tolist() == [False, True]


def test_masks_without_a_pixel_are_no_objects():
    some = make_record(
        1,
        [(1, LEFT), (2, EMPTY), (1, RIGHT)],
        [],
        gt_difficult=[False, False, True],
    )
    found = compact(some)
    assert found.gt_class_ids.tolist() == [1, 1]
    assert found.gt_is_difficult.tolist() == [False, True]
    assert found.gt_areas.tolist() == [2500, 2500]
    assert len(found.gt_rles) == 2


def test_masks_without_a_pixel_are_objects_if_their_annotation_gives_an_area():
    found = compact(
        make_record(
            1, [(1, LEFT), (2, EMPTY), (3, EMPTY)], [], gt_areas=[2000, 0.25, 0]
        )
    )
    assert found.gt_class_ids.tolist() == [1, 2]
    assert found.gt_areas.tolist() == [2000, 0.25]


def test_objects_may_have_boxes_only():
    boxes_only = make_record(
        1, [(1, LEFT)], [], gt_rles=None, gt_boxes=[(10, 10.5, 60, 60)]
    )
    found = compact(boxes_only)
    assert found.gt_boxes.tolist() == [[10, 10.5, 60, 60]]
    assert found.gt_areas.tolist() == [50 * 49.5]
    assert not found.has_masks


def test_nothing_of_nothing_counts_as_masks():
    nothing = make_record(1, [], [], rles=None, gt_rles=None, gt_boxes=[])
    assert compact(nothing).has_masks


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gt_difficult": [1, 0]}, "2 gt_difficult for 1 gt_boxes"),
        ({"gt_areas": [1, 2]}, "2 gt_areas for 1 gt_boxes"),
        ({"gt_boxes": [LEFT], "gt_rles": []}, "0 gt_masks for 1 gt_boxes"),
        ({"gt_class_ids": []}, "0 gt_class_ids for 1 gt_boxes"),
        ({"gt_rles": masks_to_rles(np.ones((9, 9, 1)))}, r"gt_rles of size \(9, 9\)"),
        ({"rles": masks_to_rles(np.ones((9, 9, 1)))}, r"rles of size \(9, 9\)"),
        ({"gt_rles": None}, "neither gt_masks, gt_rles nor gt_boxes"),
        ({"scores": [float("nan")]}, "NaN"),
    ],
)
def test_what_does_not_fit_is_named(changes, message):
    bad = make_record("photo 7", [(1, LEFT)], [(1, 0.9, LEFT)], **changes)
    with pytest.raises(ValueError, match=f"photo 7.*{message}"):
        compact(bad)


def test_masks_without_class_ids_are_an_error():
    masks, _ = TinyDataset().load_mask(0)
    bad = make_record(7, [], [], gt_rles=None, gt_masks=masks)
    with pytest.raises(ValueError, match="0 gt_class_ids for 2 gt_boxes"):
        compact(bad)


def test_kinds_that_cannot_be_compared_are_named():
    bare = compact(
        make_record("photo 7", [(1, LEFT)], [], gt_rles=None, gt_boxes=[LEFT])
    )
    check_kinds("f(kind='bbox')", ("bbox",), [bare])
    with pytest.raises(ValueError, match=r"f\(kind='segm'\).*photo 7"):
        check_kinds("f(kind='segm')", ("segm",), [bare])
    for wrong in ((), ("bbox", "keypoints")):
        with pytest.raises(ValueError, match="'bbox' and 'segm'"):
            check_kinds("f()", wrong)


def test_classes_that_occur_are_those_of_objects_and_of_detections():
    some = make_record(1, [(-5, LEFT)], [(2, 0.5, LEFT)])
    assert occurring_class_ids([compact(some)]) == [2, 5]
    assert occurring_class_ids([]) == []


def test_an_image_comes_once():
    with pytest.raises(ValueError, match=r"measure\(image_id=7\).*second"):
        compact_all([make_record(7, [], []), make_record(7, [], [])], "measure")


def test_other_classes_are_left_out_of_both_halves():
    some = make_record(
        1,
        [(1, LEFT), (-2, RIGHT), (3, MIDDLE)],
        [(3, 0.9, LEFT), (2, 0.8, RIGHT), (1, 0.7, MIDDLE)],
    )
    found = with_classes(compact(some), [2, 1])
    assert found.gt_class_ids.tolist() == [1, 2]
    assert found.gt_is_crowd.tolist() == [False, True]
    assert found.scores.tolist() == pytest.approx([0.8, 0.7])
    assert found.boxes.tolist() == [list(RIGHT), list(MIDDLE)]
    assert found.rles == make_record(0, [], [(1, 1, RIGHT), (1, 1, MIDDLE)])["rles"]


def test_rows_are_those_of_coco_files():
    kept = [
        compact(make_record("b", [(1, LEFT)], [])),
        compact(make_record("a", [(-2, RIGHT)], [(2, 0.5, LEFT)], rles=None)),
    ]
    images, annotations, results = coco_rows(kept)
    assert images[0] == {"id": 1, "height": HEIGHT, "width": WIDTH}
    assert [row["image_id"] for row in annotations] == [1, 2]
    assert [row["iscrowd"] for row in annotations] == [0, 1]
    assert annotations[0]["bbox"] == [10, 10, 50, 50]
    assert results == [
        {"image_id": 2, "category_id": 2, "score": 0.5, "bbox": [10, 10, 50, 50]}
    ]


class CropDataset(TinyDataset):
    """Gives its objects inside their boxes; full masks are never asked for."""

    def objects(self, image_id):
        rows = [*self.truth[image_id], (3, EMPTY)]
        crops = [
            Crop((y1, x1, y2, x2), np.ones((y2 - y1, x2 - x1), bool))
            for _, (y1, x1, y2, x2) in rows
        ]
        return Objects(crops, np.array([class_id for class_id, _ in rows]))

    def load_mask(self, image_id):
        raise AssertionError("a stack of full masks")


@pytest.mark.parametrize("image_id", [0, 1, 2])
def test_crops_give_what_masks_give(image_id):
    found = make_record(0, [], [(1, 0.5, LEFT)])
    del found["gt_rles"]
    records = [
        compact({**found, **truth_record(dataset, image_id, HEIGHT, WIDTH)})
        for dataset in (CropDataset(), TinyDataset())
    ]
    # The object without a pixel has left no trace.
    for field in ("gt_class_ids", "gt_is_crowd", "gt_boxes", "gt_areas"):
        ours, expected = (getattr(r, field) for r in records)
        np.testing.assert_array_equal(ours, expected)
    assert (records[0].gt_rles or []) == (records[1].gt_rles or [])


class NotedDataset(CropDataset):
    """Its objects were drawn from annotations that say more."""

    extras = (
        {"difficult": 1, "area": 99.5, "bbox": [1, 2, 30, 40]},
        {"area": 5, "bbox": [5, 6, 7, 8]},
        {"area": 6, "bbox": [5, 6, 7, 8]},
    )

    def objects(self, image_id):
        annotations = [SimpleNamespace(extra=extra) for extra in self.extras]
        return super().objects(image_id)._replace(annotations=annotations)


def test_what_annotations_say_themselves_is_taken():
    found = truth_record(NotedDataset(), 0, HEIGHT, WIDTH)
    assert found["gt_difficult"] == [True, False, False]
    assert found["gt_areas"] == [99.5, 5, 6]
    np.testing.assert_array_equal(found["gt_boxes"][0], [2, 1, 42, 31])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rois": None}, r"record\(image_id=1\): rois: numbers are needed"),
        ({"scores": ["high"]}, r"record\(image_id=1\): scores: numbers"),
        ({"height": "8"}, r"record\(image_id=1\): height: a number is needed"),
        ({"image_id": [1]}, r"record\(image_id=\[1\]\): image_id must be"),
        ({"masks": [{"counts": ""}]}, r"record\(image_id=1\): .* has no size"),
    ],
)
def test_fields_of_another_kind_are_named(changes, message):
    good = make_record(1, [(1, LEFT)], [(1, 0.5, LEFT)])
    with pytest.raises((TypeError, ValueError), match=message):
        compact(good | changes)


def test_records_that_lack_a_field_or_are_none_are_named():
    good = make_record(1, [(1, LEFT)], [(1, 0.5, LEFT)])
    with pytest.raises(ValueError, match=r"record\(\): \[0\] has no rois; add it"):
        compact({key: value for key, value in good.items() if key != "rois"})
    with pytest.raises(TypeError, match=r"f\(records\): a list is needed"):
        compact_all(None, "f")
