"""Formats of other tools that are known, but not read: how to convert them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

HEAD_BYTES = 1 << 16


class OtherTool(NamedTuple):
    """A format that is known, but not read.

    Attributes:
        title: whose it is.
        names: pattern of the names of its files.
        head: pattern of what such a file begins with.
        remedy: how to get files that are read.
    """

    title: str
    names: str
    head: bytes
    remedy: str


def _with_keys(*keys: str) -> bytes:
    """Returns the pattern of a text that holds all of some keys, in any order."""
    return b"(?s)" + b"".join(b'(?=.*"%s"\\s*:)' % key.encode() for key in keys)


def _by_datumaro(name: str) -> str:
    """Returns how Datumaro converts a folder of a format to COCO json."""
    return (
        f"datum convert -i FOLDER -if {name} -f coco_instances -o OUT -- --save-media "
        "(pip install datumaro)"
    )


_AS_LABELS = (
    "save one label image a picture (0 is background, each object a number of its own) "
    "as labels/7.tif beside images/7.jpg"
)
_BY_FIFTYONE = (
    "fiftyone convert --input-dir FOLDER --input-type fiftyone.types.{} --output-dir "
    "OUT --output-type fiftyone.types.COCODetectionDataset (pip install fiftyone)"
)
_OF_YOLO = (
    "export COCO json from the tool that wrote it (Roboflow: 'COCO Segmentation', "
    "CVAT: 'COCO 1.0'), or convert: " + _BY_FIFTYONE.format("YOLOv5Dataset")
)
_OF_LABEL_STUDIO = "in Label Studio, Export > COCO; of brush labels, Export > PNG"
_OF_LABELBOX = "export it with the Labelbox SDK and its COCO converter (labelbox.data)"
_OF_HUGGING_FACE = (
    "load it with datasets.load_dataset(FOLDER) and write its images, with "
    + _AS_LABELS
)
OTHER_TOOLS = (
    OtherTool(
        "YOLO",
        r".*\.txt",
        rb"\A\s*\d+(?:[ \t]+-?[\d.]+(?:e-?\d+)?){4,}[ \t]*(?:\r?\n|\Z)",
        _OF_YOLO,
    ),
    OtherTool(
        "YOLO", r".*\.ya?ml", rb"(?ms)(?=.*^names\s*:)(?=.*^(train|nc)\s*:)", _OF_YOLO
    ),
    OtherTool(
        "Label Studio",
        r".*\.json",
        _with_keys("from_name", "to_name"),
        _OF_LABEL_STUDIO,
    ),
    OtherTool(
        "Label Studio",
        r".*\.json",
        _with_keys("annotator", "annotation_id"),
        _OF_LABEL_STUDIO,
    ),
    OtherTool(
        "Supervisely",
        r".*\.json",
        _with_keys("classTitle"),
        "in Supervisely, run the app 'Export to COCO'",
    ),
    OtherTool(
        "Supervisely",
        r"meta\.json",
        _with_keys("classes", "tags"),
        "in Supervisely, run the app 'Export to COCO'",
    ),
    OtherTool(
        "Datumaro",
        r".*\.json",
        _with_keys("categories", "items"),
        _by_datumaro("datumaro"),
    ),
    OtherTool(
        "Cityscapes",
        r".*\.json",
        _with_keys("imgHeight", "imgWidth", "objects"),
        _by_datumaro("cityscapes") + ", or use its *_instanceIds.png as label images",
    ),
    OtherTool(
        "QuPath (GeoJSON)",
        r".*\.(geo)?json",
        rb'"(FeatureCollection|Feature)"|\A\s*\[?\s*\{\s*"type"\s*:\s*"Feature"',
        "in QuPath, export label images with the script LabeledImageServer and "
        "useInstanceLabels(); or " + _AS_LABELS,
    ),
    OtherTool(
        "CreateML",
        r".*\.json",
        _with_keys("label", "coordinates"),
        "it has boxes without outlines; export COCO json from the tool that wrote it "
        "(Roboflow: 'COCO Segmentation')",
    ),
    OtherTool(
        "Hasty",
        r".*\.json",
        _with_keys("export_format_version", "label_classes"),
        "in Hasty, export 'COCO instances'",
    ),
    OtherTool(
        "SuperAnnotate",
        r".*\.json",
        _with_keys("metadata", "instances"),
        "convert it with its SDK: sa.export_annotation(IN, OUT, 'COCO', NAME)",
    ),
    OtherTool("Labelbox", r".*\.(nd)?jsonl?", _with_keys("data_row"), _OF_LABELBOX),
    OtherTool("Labelbox", r".*\.json", _with_keys("Labeled Data"), _OF_LABELBOX),
    OtherTool(
        "V7 Darwin",
        r".*\.json",
        _with_keys("item", "slots"),
        "convert it: darwin dataset convert NAME coco",
    ),
    OtherTool(
        "BDD100K or Scale",
        r".*\.json",
        rb'"(box2d|poly2d)"',
        "convert it with BDD100K's toolkit: python -m bdd100k.label.to_coco",
    ),
    OtherTool(
        "VoTT", r".*\.json", _with_keys("asset", "regions"), _by_datumaro("vott_json")
    ),
    OtherTool(
        "Encord",
        r".*\.json",
        _with_keys("data_hash"),
        "in Encord, export labels as COCO",
    ),
    OtherTool(
        "Segment Anything",
        r".*\.json",
        _with_keys("predicted_iou", "segmentation"),
        _by_datumaro("segment_anything"),
    ),
    OtherTool(
        "Amazon SageMaker",
        r".*\.(manifest|jsonl?)",
        _with_keys("source-ref"),
        "its boxes have no outlines; of semantic masks, " + _AS_LABELS,
    ),
    OtherTool("Hugging Face", r".*\.jsonl", _with_keys("file_name"), _OF_HUGGING_FACE),
    OtherTool("Hugging Face", r".*\.(parquet|arrow)", b"", _OF_HUGGING_FACE),
    OtherTool(
        "TensorFlow (TFRecord)",
        r".*\.(tfrecords?|record)(-\d+-of-\d+)?",
        b"",
        _by_datumaro("tf_detection_api"),
    ),
    OtherTool(
        "the VGG Image Annotator (csv)",
        r".*\.csv",
        rb"region_shape_attributes",
        "in VIA, Annotations > Import Annotations (from csv), then Annotations > "
        "Export Annotations (as json)",
    ),
    OtherTool(
        "Open Images",
        r".*\.csv",
        rb"\A[^\n]*\bImageID\b",
        "convert it: " + _BY_FIFTYONE.format("OpenImagesV7Dataset"),
    ),
    OtherTool(
        "Kaggle (run lengths)",
        r".*\.csv",
        rb"\A[^\n]*EncodedPixels",
        "draw each row (start and length, column by column, from 1), and " + _AS_LABELS,
    ),
    OtherTool(
        "Roboflow or TensorFlow (csv)",
        r".*\.csv",
        rb"(?i)\A[^\n]*(xmin|x_min|bbox)",
        "it has boxes without outlines; export COCO json from the tool that wrote it "
        "(Roboflow: 'COCO Segmentation')",
    ),
    OtherTool(
        "napari (shapes)",
        r".*\.csv",
        rb"\A[^\n]*vertex-index",
        "in napari, Tools > Convert to Labels of the layer, and " + _AS_LABELS,
    ),
    OtherTool(
        "LabelMe's old web site",
        r".*\.xml",
        rb"(?s)<annotation>.*<polygon>",
        _by_datumaro("label_me"),
    ),
    OtherTool(
        "ASAP or ImageScope",
        r".*\.xml",
        rb"<ASAP_Annotations|<Annotations\b",
        "open it in QuPath, export label images, and " + _AS_LABELS,
    ),
    OtherTool(
        "ImageJ (ROIs)",
        r".*\.roi|.*\.zip",
        rb"\AIout|(?s:\APK.*\.roi)",
        "in ImageJ or Fiji, turn the ROI Manager's list into a label image (plugin "
        "'ROIs to Label image'), and " + _AS_LABELS,
    ),
    OtherTool(
        "Cellpose, StarDist or NumPy",
        r".*\.np[yz]",
        b"",
        "in Cellpose, File > Save masks as PNG/tif; of arrays, " + _AS_LABELS,
    ),
    OtherTool("Matlab, ilastik or HDF5", r".*\.(mat|h5|hdf5|ilp)", b"", _AS_LABELS),
)


def other_tool(path: Path) -> OtherTool | None:
    """Returns whose format a file has that is known, but not read; None: not known."""
    head = None
    for tool in OTHER_TOOLS:
        if re.fullmatch(tool.names, path.name, re.IGNORECASE):
            if head is None:
                try:
                    with path.open("rb") as file:
                        head = file.read(HEAD_BYTES)
                except OSError:
                    return None
            if re.search(tool.head, head):
                return tool
    return None


def name_tool(path: Path) -> str:
    """Returns whose format a file has, and how to convert it; "" where not known."""
    tool = other_tool(path)
    if tool is None:
        return ""
    return f"is {tool.title}'s, a format that is not read; {tool.remedy}."
