"""From files to batches, without TensorFlow.

`open_dataset(path, subset)` opens a folder of any common format. `dataset` has the
class to subclass, `annotated` the same with outlines that are drawn when asked, and
`coco`, `via`, `voc`, `labelme`, `mask_folders` and `label_images` a format each;
`coco_export` writes any of them as COCO json. `dataset.validate()` and
`anchor_report(dataset, config)` tell what to repair before a training. Then
`image_files` (any file to RGB), `loading` (one image with its objects), `augmentation`,
`generator` (a batch as a pure function of seed, epoch and index) and `loaders` (workers
that cannot hang).
"""

from __future__ import annotations

import importlib

# Imported when asked for: `import mrcnn.data` costs nothing.
_HOMES = {
    "AnnotatedDataset": "annotated",
    "Annotation": "annotations",
    "CocoDataset": "coco",
    "Dataset": "dataset",
    "LabelImageDataset": "label_images",
    "LabelMeDataset": "labelme",
    "MaskFolderDataset": "mask_folders",
    "ViaDataset": "via",
    "ValidationReport": "validation_report",
    "VocDataset": "voc",
    "anchor_report": "anchor_recall",
    "detections_to_coco": "coco_export",
    "open_dataset": "formats",
    "to_coco": "coco_export",
}

__all__ = list(_HOMES)


def __getattr__(name: str):
    """Returns a public name from the file that holds it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """Returns what can be imported from here."""
    return sorted({*globals(), *_HOMES})
