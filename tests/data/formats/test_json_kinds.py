from __future__ import annotations

import json

import pytest

from mrcnn.data.formats import json_kinds
from mrcnn.data.formats.coco.coco_images import coco_file_names
from mrcnn.data.formats.json_kinds import json_kind, read_json

VIA_ENTRY = {"filename": "a.jpg", "regions": {}}
COCO = {"images": [], "annotations": [{"bbox": [0, 0, 1, 1]}], "categories": []}
LABELME = {"shapes": [], "imagePath": "a.jpg"}
KINDS = [
    (COCO, "coco"),
    ({"annotations": [], "images": []}, "COCO json without categories"),
    ({"a.jpg1": VIA_ENTRY}, "via"),
    ({"b.jpg1": {"filename": "b.jpg"}, "a.jpg1": VIA_ENTRY}, "via"),
    ({"a.jpg1": VIA_ENTRY, "b.jpg1": {"filename": "b.jpg"}}, "via"),
    ({"a.jpg1": VIA_ENTRY, "b.jpg1": VIA_ENTRY, "c.jpg1": None}, "via"),
    ({"imageData": None, "imagePath": "a.jpg"}, "labelme"),
    ({"shapes": None, "imagePath": "a.jpg"}, "labelme"),
    ({"_via_settings": {}, "_via_img_metadata": {}}, "via"),
    ({"project": {}, "file": {}, "view": {}, "metadata": {}}, "via"),
    (LABELME, "labelme"),
    ({"imageData": "x", "shapes": []}, "labelme"),
    ([{"image_id": 1, "score": 0.5, "bbox": []}], "a list of COCO results"),
    ([], "a list"),
    (3, "a single int"),
    ({}, "json with the keys none"),
    ({"a": 1, "b": 2}, "json with the keys 'a', 'b'"),
]


def write(tmp_path, content):
    path = tmp_path / "x.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize(("content", "kind"), KINDS)
def test_kind_is_told_by_the_keys(tmp_path, content, kind):
    assert json_kind(write(tmp_path, content)).startswith(kind)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\x00"])
def test_what_is_no_json_is_said_to_be_none(tmp_path, text):
    assert json_kind(write(tmp_path, text)) == "no valid json"


@pytest.mark.parametrize("content", [COCO, {"a": {**VIA_ENTRY, "regions": [{}]}}])
def test_large_files_are_judged_by_head_and_tail(tmp_path, monkeypatch, content):
    monkeypatch.setattr(json_kinds, "MAX_PARSED_BYTES", 10)
    monkeypatch.setattr(json_kinds, "HEAD_BYTES", 60)
    if "a" in content:
        content["a"]["regions"] = [{"shape_attributes": {"name": "rect"}}]
    expected = "via" if "a" in content else "coco"
    assert json_kind(write(tmp_path, content)) == expected
    unknown = {"x" * 200: 1}
    assert json_kind(write(tmp_path, unknown)) == "a large json of unknown content"
    assert json_kind(write(tmp_path, [COCO] * 9)) == "a list"


def test_large_labelme_file_is_known_by_words_anywhere(tmp_path, monkeypatch):
    monkeypatch.setattr(json_kinds, "MAX_PARSED_BYTES", 10)
    monkeypatch.setattr(json_kinds, "HEAD_BYTES", 60)
    points = [[x, x] for x in range(99)]
    content = {"shapes": [{"points": points}], "imagePath": "a.jpg"}
    content |= {"imageData": "A" * 999, "imageHeight": 3, "imageWidth": 4}
    assert json_kind(write(tmp_path, content)) == "labelme"


def test_every_shared_json_is_known(shared):
    folder = shared / "data"
    kinds = {p.relative_to(folder): json_kind(p) for p in folder.rglob("*.json")}
    found = [(p.parts[0], kind.split(" (")[0]) for p, kind in kinds.items()]
    assert {pair: found.count(pair) for pair in set(found)} == {
        ("balloon", "via"): 2,
        ("coco_tiny", "coco"): 2,
        ("eval_coco100", "coco"): 1,
        ("eval_coco100", "a list of COCO results"): 2,
        ("labelme_nuts", "labelme"): 18,
        ("nucleus", "json with the keys 'stage1_train', 'upstream_validation_ids_"
         "present', 'heldout'"): 1,
    }  # fmt: skip


def test_file_names_are_found_without_parsing(tmp_path):
    names = [f'folder/{i} "é".jpg' for i in range(30)]
    images = [{"file_name": name, "id": i} for i, name in enumerate(names)]
    path = write(tmp_path, {"images": images})
    assert coco_file_names(path, limit=20) == names[:20]
    assert coco_file_names(path, limit=99) == names
    path.write_text(path.read_text() + "}")  # parsing it would fail
    assert coco_file_names(path, limit=1) == names[:1]


def test_json_that_cannot_be_read_is_named_with_its_reader(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"reader\('.*x.json'\): there is no"):
        read_json(tmp_path / "x.json", "reader")
    path = write(tmp_path, "[" * 100_000)
    with pytest.raises(ValueError, match=r"reader\('.*x.json'\): no valid json .*repa"):
        read_json(path, "reader")
    path.write_text("\ufeff[1]", encoding="utf-8")
    assert read_json(str(path), "reader") == [1]
