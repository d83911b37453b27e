"""Objects in overlapping tiles are counted once."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from skimage.measure import regionprops

from mrcnn.engine.detection.tile_merging import merge_tiles
from mrcnn.engine.detection.tiling import detect_tiled, tile_boxes
from mrcnn.geometry.crops import Crop, crop_overlaps


class Discs:
    """An image of discs, each painted in the number of its own, one class each half."""

    def __init__(self, height, width, seed=0):
        self.labels = np.zeros((height, width), np.int32)
        self.rng = np.random.default_rng(seed)
        self.count = 0

    def add(self, y, x, radius):
        """Paints a disc if its place is free, with a pixel of distance."""
        height, width = self.labels.shape
        reach = radius + 2
        rows = slice(max(y - reach, 0), min(y + reach + 1, height))
        columns = slice(max(x - reach, 0), min(x + reach + 1, width))
        ys, xs = np.mgrid[rows, columns]
        distance = (ys - y) ** 2 + (xs - x) ** 2
        part = self.labels[rows, columns]
        if not part.size or part[distance <= reach**2].any():
            return False
        self.count += 1
        part[distance <= radius**2] = self.count
        return True

    def scatter(self, number, radii):
        for _ in range(number):
            y, x = (int(self.rng.integers(0, side)) for side in self.labels.shape)
            self.add(y, x, int(self.rng.integers(*radii)))

    def crops(self):
        """The true masks, by number."""
        return label_crops(self.labels)[1]


def label_crops(labels):
    """Numbers in an image and the tight crop of each."""
    regions = regionprops(labels)
    crops = [Crop(region.bbox, region.image) for region in regions]
    return [region.label for region in regions], crops


class TrueDetector:
    """Finds every object of a tile exactly, whatever the border leaves of it."""

    def __init__(self, noise=0, seed=0, limit=10**6, batch=1):
        self.config = SimpleNamespace(BATCH_SIZE=batch, DETECTION_MAX_INSTANCES=limit)
        self.noise, self.rng, self.calls = noise, np.random.default_rng(seed), []

    def detect(self, images, masks):
        assert masks == "crop"
        self.calls.append([image.shape for image in images])
        return [self.detect_one(image) for image in images]

    def detect_one(self, labels):
        numbers, crops = label_crops(labels)
        boxes = [crop.box for crop in crops]
        masks = [crop.mask for crop in crops]
        if self.noise:
            boxes = [self.shaken(box, labels.shape) for box in boxes]
            parts = [labels[y1:y2, x1:x2] for y1, x1, y2, x2 in boxes]
            masks = [p == i for p, i in zip(parts, numbers, strict=True)]
        return {
            "rois": np.array(boxes, np.int32).reshape(-1, 4),
            "class_ids": np.array([1 + i % 2 for i in numbers], np.int32),
            "scores": self.rng.uniform(0.5, 1, len(numbers)).astype(np.float32),
            "masks": masks,
        }

    def shaken(self, box, shape):
        """A box whose sides moved by up to `noise` of its length, within the tile."""
        box = np.array(box)
        reach = np.rint(np.tile(box[2:] - box[:2], 2) * self.noise).astype(int)
        box += self.rng.integers(-reach, reach + 1)
        return np.clip(box, 0, [*shape, *shape])


def as_crops(found):
    rows = zip(found["rois"].tolist(), found["masks"], strict=True)
    return [Crop(tuple(box), mask) for box, mask in rows]


def assert_exact(discs, found):
    """Each disc is found once, with its very pixels."""
    assert len(found["rois"]) == discs.count
    overlaps = crop_overlaps(as_crops(found), discs.crops())
    assert np.array_equal(np.sort(overlaps.max(axis=0)), np.ones(discs.count))
    assert len(set(overlaps.argmax(axis=1).tolist())) == discs.count
    numbers = overlaps.argmax(axis=1) + 1
    assert np.array_equal(found["class_ids"], 1 + numbers % 2)
    assert np.all(np.diff(found["scores"]) <= 0)


def tile_borders(tiles):
    ys = sorted({int(y) for y in tiles[:, [0, 2]].ravel()})
    xs = sorted({int(x) for x in tiles[:, [1, 3]].ravel()})
    return ys, xs


@pytest.fixture(scope="module")
def large():
    """3000 x 3000 px: discs on the corners of tiles, on their borders, and anywhere."""
    discs = Discs(3000, 3000)
    tiles = tile_boxes(3000, 3000, 512, 128)
    ys, xs = tile_borders(tiles)
    for y, x in itertools.product(ys, xs):  # corners: four tiles meet or overlap
        discs.add(min(y, 2999), min(x, 2999), 12 if (y + x) % 2 else 75)
    on_corners = discs.count
    for y, x in zip(ys[1:-1], itertools.cycle(xs), strict=False):
        for offset in (-17, 3, 230):  # cut by one border in many ways
            discs.add(y + offset % 7 - 3, x + offset + 90, 15)
            discs.add(x + offset + 140, y - offset % 5, 15)
    discs.scatter(2500, (2, 25))
    discs.scatter(300, (60, 90))  # wider than the overlap
    assert on_corners > 200 and discs.count > 1500
    return discs


def test_discs_of_a_large_image_are_counted_once_and_exactly(large):
    found = detect_tiled(TrueDetector(), large.labels, 512, 128)
    assert_exact(large, found)
    assert len(found["full_tiles"]) == 0


def test_objects_wider_than_tiles_overlap_are_joined_from_all_their_parts():
    discs = Discs(700, 900)
    discs.add(350, 450, 300)  # over many tiles, whole in none
    discs.add(40, 40, 30)
    found = detect_tiled(TrueDetector(), discs.labels, 256, 32)
    assert_exact(discs, found)


def test_a_disc_on_the_corner_of_four_tiles_is_one():
    tiles = tile_boxes(100, 100, 60, 20)
    assert len(tiles) == 4
    for radius in (3, 9, 10, 15, 25, 45):
        discs = Discs(100, 100)
        discs.add(50, 50, radius)
        assert_exact(discs, detect_tiled(TrueDetector(), discs.labels, 60, 20))


def test_inexact_boxes_and_masks_do_not_change_the_count_by_one_percent(large):
    found = detect_tiled(TrueDetector(noise=0.1), large.labels, 512, 128)
    assert abs(len(found["rois"]) - large.count) <= 0.01 * large.count


def test_touching_objects_at_a_seam_stay_apart():
    labels = np.zeros((60, 100), np.int32)
    labels[10:50, 20:50], labels[10:50, 50:80] = 1, 3  # one class, side by side
    found = detect_tiled(TrueDetector(), labels, 60, 20)
    assert sorted(found["rois"].tolist()) == [[10, 20, 50, 50], [10, 50, 50, 80]]


def result(box, class_id=1, score=0.9, mask=None):
    y1, x1, y2, x2 = box
    mask = np.ones((y2 - y1, x2 - x1), bool) if mask is None else mask
    return box, class_id, score, mask


def as_result(*rows):
    boxes, class_ids, scores, masks = zip(*rows, strict=True) if rows else [()] * 4
    return {
        "rois": np.array(boxes, np.int32).reshape(-1, 4),
        "class_ids": np.array(class_ids, np.int32),
        "scores": np.array(scores, np.float32),
        "masks": list(masks),
    }


TILES = np.array([[0, 0, 100, 100], [0, 60, 100, 160]])  # 40 px overlap


def merged(left, right):
    return merge_tiles([as_result(*left), as_result(*right)], TILES, (100, 160))


def test_the_whole_view_wins_over_a_surer_cut_one():
    left = result((40, 50, 60, 95), score=0.6)
    right = result((40, 0, 60, 35), class_id=2, score=0.99)  # its left part is cut off
    found = merged([left], [right])
    assert found["rois"].tolist() == [[40, 50, 60, 95]]
    assert found["class_ids"].tolist() == [1]
    assert found["scores"].tolist() == pytest.approx([0.6])


def test_of_two_whole_views_the_one_farther_from_its_border_counts():
    left = result((40, 65, 60, 91))  # 9 px to the border
    right = result((40, 5, 60, 30), score=0.5)  # 5 px
    assert merged([left], [right])["rois"].tolist() == [[40, 65, 60, 91]]


def test_cut_parts_are_joined_with_the_class_and_score_of_the_surest():
    left = result((40, 30, 60, 100), score=0.7)
    right = result((40, 0, 60, 90), score=0.8)
    found = merged([left], [right])
    assert found["rois"].tolist() == [[40, 30, 60, 150]]
    assert found["masks"][0].all() and found["masks"][0].shape == (20, 120)
    assert found["scores"].tolist() == pytest.approx([0.8])


def test_what_one_tile_alone_has_found_counts_where_no_other_sees_better():
    # Cut on the right, and beyond the left border of the other tile.
    cut = result((40, 30, 60, 100))
    assert merged([cut], [])["rois"].tolist() == [[40, 30, 60, 100]]
    # Whole in both, 28 px from the border of the left tile, 2 from that of the right.
    whole = result((40, 62, 60, 72))
    assert merged([whole], [])["rois"].tolist() == [[40, 62, 60, 72]]


def test_what_one_tile_saw_whole_counts_though_a_better_placed_tile_missed_it():
    # 2 px from the border of the right tile; 28 from that of the left.
    missed = result((40, 2, 60, 12))
    assert merged([], [missed])["rois"].tolist() == [[40, 62, 60, 72]]
    # Another object is near, and lies on a quarter of it.
    near = result((40, 70, 60, 90))
    found = merged([near], [result((40, 2, 60, 12)), result((40, 10, 60, 30))])
    assert sorted(found["rois"].tolist()) == [[40, 62, 60, 72], [40, 70, 60, 90]]


def test_what_a_border_has_cut_and_a_better_placed_tile_did_not_see_is_dropped():
    cut = result((40, 0, 60, 12))
    assert merged([], [cut])["rois"].tolist() == []


def test_what_one_border_has_cut_for_two_tiles_is_dropped_where_others_see_it_whole():
    tiles = tile_boxes(100, 100, 60, 20)
    sliver = (40, 44, 45, 56)  # below the upper border of both lower tiles
    results = [as_result() for _ in tiles]
    for i in (2, 3):
        y1, x1 = tiles[i, :2]
        box = tuple((np.array(sliver) - (y1, x1, y1, x1)).tolist())
        results[i] = as_result(result(box))
    assert merge_tiles(results, tiles, (100, 100))["rois"].tolist() == []


def test_what_lies_on_an_object_of_a_better_placed_tile_is_dropped():
    # Too small to be the same object, and a third of it lies on that.
    large, small = result((30, 67, 70, 90), score=0.5), result((40, 3, 52, 9))
    assert merged([large], [small])["rois"].tolist() == [[30, 67, 70, 90]]


def test_of_two_views_of_what_a_better_placed_tile_missed_one_counts():
    # Three tiles; the middle one sees best what only its neighbors have found.
    tiles = np.array([[0, 0, 100, 60], [0, 20, 100, 80], [0, 40, 100, 100]])
    left = result((40, 42, 60, 57))  # 3 px from the border
    right = result((40, 2, 60, 8))  # 2 px, and a part of the same
    results = [as_result(left), as_result(), as_result(right)]
    found = merge_tiles(results, tiles, (100, 100))
    assert found["rois"].tolist() == [[40, 42, 60, 57]]


def test_of_views_that_disagree_the_better_placed_tile_is_right():
    left = [result((40, 62, 60, 82))]  # 18 px from its border
    right = [result((40, 2, 60, 22), class_id=2), result((44, 3, 50, 9), score=0.99)]
    assert merged(left, right)["class_ids"].tolist() == [1]
    # One object for the left tile, two for the right, which sees them worse.
    left = [result((40, 62, 60, 82))]
    right = [result((40, 2, 50, 22)), result((50, 2, 60, 22))]
    assert merged(left, right)["rois"].tolist() == [[40, 62, 60, 82]]


def test_a_clump_that_a_better_placed_tile_takes_apart_is_not_counted_on_top():
    tiles = np.array([[0, 0, 100, 60], [0, 40, 100, 100]])
    # 8 px from the border of the left tile, 3 from that of the right, which sees one.
    parts = [(20 + 14 * i, 43, 34 + 14 * i, 52) for i in range(4)]
    left = as_result(*[result(part) for part in parts])
    right = as_result(result((20, 3, 76, 12)))
    found = merge_tiles([left, right], tiles, (100, 100))
    assert sorted(map(tuple, found["rois"].tolist())) == parts


def test_two_objects_of_one_tile_stay_two():
    # The right tile takes both for one.
    left = [result((10, 60, 30, 90)), result((30, 60, 48, 90))]
    found = merged(left, [result((10, 0, 48, 30))])
    assert [10, 60, 30, 90] in found["rois"].tolist()
    assert [30, 60, 48, 90] in found["rois"].tolist()


def test_two_classes_at_one_place_stay_two_objects():
    # As DETECTION_CLASS_RULE = "all" gives them.
    left = [result((40, 62, 60, 82)), result((40, 62, 60, 82), class_id=2)]
    right = [result((40, 2, 60, 22)), result((40, 2, 60, 22), class_id=2)]
    assert sorted(merged(left, right)["class_ids"].tolist()) == [1, 2]


@pytest.mark.parametrize("first", [1, 2])
def test_tiles_that_name_one_object_differently_still_count_it_once(first):
    # 15 px to the border of either tile: none sees it better.
    left = result((40, 75, 60, 85), class_id=first, score=0.6)
    right = result((40, 15, 60, 25), class_id=3 - first, score=0.8)
    found = merged([left], [right])
    assert found["class_ids"].tolist() == [3 - first]
    assert found["rois"].tolist() == [[40, 75, 60, 85]]
    # Cut by both: the parts are joined, with the class of the surer one.
    left = result((40, 30, 60, 100), class_id=first, score=0.6)
    right = result((40, 0, 60, 90), class_id=3 - first, score=0.8)
    found = merged([left], [right])
    assert found["class_ids"].tolist() == [3 - first]
    assert found["rois"].tolist() == [[40, 30, 60, 150]]


def test_the_border_of_the_image_cuts_nothing():
    left = result((0, 0, 30, 80), score=0.5)  # touches the image's border: whole
    right = result((0, 0, 30, 21), score=0.9)
    assert merged([left], [right])["rois"].tolist() == [[0, 0, 30, 80]]


def test_empty_tiles_give_an_empty_result():
    found = merged([], [])
    assert found["rois"].shape == (0, 4) and found["masks"] == []
    assert found["class_ids"].dtype == np.int32


def test_tiles_cover_the_image_with_the_overlap_asked_for():
    for height, width in ((100, 100), (512, 513), (1000, 3000), (37, 2000)):
        tiles = tile_boxes(height, width, 512, 100)
        seen = np.zeros((height, width), bool)
        for y1, x1, y2, x2 in tiles:
            assert (y2 - y1, x2 - x1) == (min(512, height), min(512, width))
            seen[y1:y2, x1:x2] = True
        assert seen.all()
        for starts in (np.unique(tiles[:, 0]), np.unique(tiles[:, 1])):
            assert np.all(np.diff(starts) <= 412)


def test_an_image_smaller_than_a_tile_is_one_tile():
    assert tile_boxes(30, 40, 512, 128).tolist() == [[0, 0, 30, 40]]


@pytest.mark.parametrize(("side", "overlap"), [(0, 0), (100, 51), (100, -1)])
def test_impossible_tiles_are_refused(side, overlap):
    with pytest.raises(ValueError, match="tile_boxes"):
        tile_boxes(300, 300, side, overlap)


def test_tiles_are_detected_in_batches_and_reported():
    detector, seen = TrueDetector(batch=4), []
    detect_tiled(
        detector, np.zeros((100, 260), int), 100, 20, on_tiles=lambda *n: seen.append(n)
    )
    assert [len(shapes) for shapes in detector.calls] == [3]
    detector = TrueDetector(batch=2)
    detect_tiled(
        detector, np.zeros((100, 260), int), 100, 20, on_tiles=lambda *n: seen.append(n)
    )
    assert seen == [(3, 3), (2, 3), (3, 3)]


def test_tiles_with_as_many_objects_as_the_model_gives_are_named():
    discs = Discs(100, 180)
    for x in (20, 40, 60):
        discs.add(50, x, 5)
    detector = TrueDetector(limit=3)
    found = detect_tiled(detector, discs.labels, 100, 20)
    assert found["full_tiles"].tolist() == [[0, 0, 100, 100]]
