"""The table of all annotation formats, and which of them a folder has.

A new format is a module with a Dataset class and a `Format` in the constant FORMAT; its
line in this table makes `open_dataset`, its messages and the command know it. If its
annotations are json files, `json_kinds` says how they are recognized.
"""

from __future__ import annotations

from pathlib import Path

from mrcnn.data.files.folders import list_files, list_folders
from mrcnn.data.formats.coco.coco_dataset import FORMAT as COCO
from mrcnn.data.formats.cvat import FORMAT as CVAT
from mrcnn.data.formats.json_kinds import json_kind
from mrcnn.data.formats.label_images import FORMAT as LABEL_IMAGES
from mrcnn.data.formats.labelme import FORMAT as LABELME
from mrcnn.data.formats.layouts import Layout
from mrcnn.data.formats.mask_folders import FORMAT as MASK_FOLDERS
from mrcnn.data.formats.via.via_dataset import FORMAT as VIA
from mrcnn.data.formats.voc.voc_dataset import FORMAT as VOC

FORMATS = {
    format.name: format
    for format in (COCO, VIA, VOC, LABELME, CVAT, MASK_FOLDERS, LABEL_IMAGES)
}


def find_layouts(folder: str | Path) -> list[Layout]:
    """Returns the data sets that the files of a folder make up; several if in doubt.

    Args:
        folder: where to look; folders one level below are looked into too.
    """
    folder = Path(folder)
    json_kinds = {
        path: json_kind(path)
        for place in (folder, *list_folders(folder))
        for path in list_files(place, ".json")
    }
    layouts = []
    for name, format in FORMATS.items():
        files = [path for path, kind in json_kinds.items() if kind == name]
        layout = format.find(folder, files)
        if layout.parts:
            layouts.append(layout._replace(format=name, folder=folder))
    return layouts
