from __future__ import annotations

import json

import pytest

from mrcnn.data.formats import json_kinds
from mrcnn.data.formats.json_kinds import coco_file_names, json_kind

VIA_ENTRY = {"filename": "a.jpg", "regions": {}}
COCO = {"images": [], "annotations": [{"bbox": [0, 0, 1, 1]}], "categories": []}
LABELME = {"shapes": [], "imagePath": "a.jpg"}
KINDS = [
    (COCO, "coco"),
    ({"annotations": [], "images": []}, "COCO json without categories"),
    ({"a.jpg1": VIA_ENTRY}, "via"),
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


@pytest.mark.parametrize("head", [7, 64, 1 << 16])
def test_file_names_are_found_across_the_ends_of_chunks(tmp_path, monkeypatch, head):
    monkeypatch.setattr(json_kinds, "HEAD_BYTES", head)
    names = [f'folder/{i} "é".jpg' for i in range(30)]
    images = [{"file_name": name, "id": i} for i, name in enumerate(names)]
    path = write(tmp_path, {"images": images})
    assert coco_file_names(path, limit=20) == names[:20]
    assert coco_file_names(path, limit=99) == names
