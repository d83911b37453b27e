"""Formats that are known but not read: named, with the way to convert them."""

from __future__ import annotations

import json
import zipfile

import pytest
from PIL import Image

from mrcnn.data import open_dataset
from mrcnn.data.formats.other_tools import OTHER_TOOLS, other_tool

POLYGON = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1]]]}
FILES = {
    "labels/a.txt": ("YOLO", "0 0.5 0.5 0.25 1e-3\n1 0.1 0.2 0.3 0.4 0.5 0.6\n"),
    "data.yaml": ("YOLO", "train: ../train/images\nnc: 1\nnames: ['cell']\n"),
    "studio.json": (
        "Label Studio",
        [{"id": 1, "annotations": [{"result": [{"from_name": "l", "to_name": "i"}]}]}],
    ),
    "mini.json": ("Label Studio", [{"image": "a", "annotator": 1, "annotation_id": 2}]),
    "ds/ann/a.png.json": (
        "Supervisely",
        {"size": {"height": 1, "width": 1}, "objects": [{"classTitle": "cell"}]},
    ),
    "meta.json": ("Supervisely", {"classes": [], "tags": [], "projectType": "images"}),
    "default.json": ("Datumaro", {"info": {}, "categories": {}, "items": []}),
    "gtFine/train/aachen/a_gtFine_polygons.json": (
        "Cityscapes",
        {"imgHeight": 1, "imgWidth": 1, "objects": []},
    ),
    "cells.geojson": ("QuPath", {"type": "FeatureCollection", "features": []}),
    "cells.json": ("QuPath", [{"type": "Feature", "geometry": POLYGON}]),
    "createml.json": (
        "CreateML",
        [{"image": "a", "annotations": [{"label": "c", "coordinates": {"x": 1}}]}],
    ),
    "hasty.json": (
        "Hasty",
        {"export_format_version": "1.1", "label_classes": [], "images": []},
    ),
    "super.json": ("SuperAnnotate", {"metadata": {"name": "a"}, "instances": []}),
    "export.ndjson": ("Labelbox", {"data_row": {"id": "x"}, "projects": {}}),
    "old.json": ("Labelbox", [{"ID": "x", "Labeled Data": "http://x", "Label": {}}]),
    "darwin.json": ("V7 Darwin", {"version": "2.0", "item": {"slots": []}}),
    "bdd.json": ("BDD100K", [{"name": "a", "labels": [{"box2d": {"x1": 1}}]}]),
    "vott.json": ("VoTT", {"asset": {"name": "a"}, "regions": []}),
    "encord.json": ("Encord", [{"data_hash": "x", "label_rows": []}]),
    "sa_1.json": (
        "Segment Anything",
        {"image": {}, "annotations": [{"predicted_iou": 1, "segmentation": {}}]},
    ),
    "out.manifest": ("Amazon SageMaker", {"source-ref": "s3://a"}),
    "metadata.jsonl": ("Hugging Face", {"file_name": "a.png", "objects": {}}),
    "data/train-0.parquet": ("Hugging Face", "PAR1"),
    "train.tfrecord-00000-of-00002": ("TensorFlow", "\x00"),
    "via.csv": (
        "the VGG Image Annotator",
        "filename,file_size,file_attributes,region_count,region_id,"
        "region_shape_attributes,region_attributes\n",
    ),
    "boxes.csv": ("Open Images", "ImageID,Source,LabelName,Confidence,XMin\n"),
    "train.csv": ("Kaggle", "ImageId,EncodedPixels\n"),
    "_annotations.csv": (
        "Roboflow",
        "filename,width,height,class,xmin,ymin,xmax,ymax\n",
    ),
    "shapes.csv": ("napari", "index,shape-type,vertex-index,axis-0,axis-1\n"),
    "a.xml": (
        "LabelMe's old web site",
        "<annotation><object><polygon><pt><x>1</x></pt></polygon></object></annotation>",
    ),
    "slide.xml": ("ASAP", "<ASAP_Annotations><Annotations/></ASAP_Annotations>"),
    "1.roi": ("ImageJ", "Iout\x00"),
    "a_seg.npy": ("Cellpose", "\x93NUMPY"),
    "gt.mat": ("Matlab", "MATLAB 5.0"),
}


def write(folder, name, content):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize("name", FILES)
def test_format_that_is_not_read_is_named_with_the_way_to_convert_it(tmp_path, name):
    title, content = FILES[name]
    path = write(tmp_path, name, content)
    (tmp_path / "images").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "images" / "a.jpg")
    for given in (tmp_path, path):
        with pytest.raises(ValueError, match="a format that is not read") as caught:
            open_dataset(given)
        message, tool = str(caught.value), other_tool(path)
        assert tool.title.startswith(title)
        assert path.name in message and tool.title in message and tool.remedy in message


def test_every_row_of_the_table_is_tried():
    titles = {tool.title for tool in OTHER_TOOLS}
    tried = {t for t in titles for title, _ in FILES.values() if t.startswith(title)}
    assert titles == tried


def test_archive_of_rois_is_named_and_any_other_is_an_archive(tmp_path):
    for name, inner in {"RoiSet.zip": "1.roi", "data.zip": "a.png"}.items():
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr(inner, "x")
    with pytest.raises(ValueError, match=r"RoiSet.*is ImageJ \(ROIs\)'s.*label image"):
        open_dataset(tmp_path / "RoiSet.zip")
    with pytest.raises(ValueError, match="is an archive; unpack it"):
        open_dataset(tmp_path / "data.zip")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("readme.txt", "10 pictures of cells\n"),
        ("values.txt", "0.5 0.5 0.5\n"),
        ("config.yaml", "train: data\nlr: 0.1\n"),
        ("table.csv", "name,area\n"),
        ("settings.json", {"lr": 1}),
        ("page.xml", "<html/>"),
    ],
)
def test_other_files_are_of_no_tool(tmp_path, name, content):
    assert other_tool(write(tmp_path, name, content)) is None


def test_json_of_another_tool_is_named_where_the_files_are_listed(tmp_path):
    write(tmp_path, "x.json", FILES["vott.json"][1])
    with pytest.raises(
        ValueError, match=r"found 1 \.json file \(x.json\); .* is VoTT's"
    ):
        open_dataset(tmp_path)


@pytest.mark.parametrize("above", ["x", "x/y", "x/y/z"])
def test_pairs_below_other_folders_are_opened_or_named(tmp_path, above):
    for name in ("images", "masks"):
        (tmp_path / above / name).mkdir(parents=True)
        mode = "RGB" if name == "images" else "L"
        for stem in "ab":
            Image.new(mode, (4, 4), 1).save(tmp_path / above / name / f"{stem}.png")
    if above == "x":
        assert open_dataset(tmp_path).num_images == 2
        return
    with pytest.raises(ValueError, match="Near it is a data set; pass '.*label images"):
        open_dataset(tmp_path)
