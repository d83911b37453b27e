"""From files to batches, without TensorFlow.

`open_dataset(path, subset)` opens a folder of any common format, `Dataset` is the class
to subclass, and `dataset.validate()` and `anchor_report(dataset, config)` say what to
repair before a training. Where they live:

- the files beside this one: `Dataset`, one image with its objects (`load_image_gt`),
  batches (`DataGenerator`), and workers that make them ahead (`PooledLoader`);
- `outlines`: an object as it was annotated, from polygons to mask files;
- `formats`: one module or folder a format, and writing COCO json;
- `augmentation`: imgaug, albumentations, copy-paste, recipes;
- `checks`: validation, and whether the anchors fit;
- `files`: reading images, downloads, writing a file whole or not at all.

All names are imported from here; where one lives is for those who work on it.
"""

from __future__ import annotations

import lazy_loader

# Imported when asked for: `import mrcnn.data` costs nothing.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "annotated_dataset": ["AnnotatedDataset"],
        "augmentation.augment": ["augment"],
        "augmentation.copy_paste": ["CopyPaste"],
        "augmentation.recipes": ["few_photographs"],
        "checks.anchor_report": ["anchor_report"],
        "checks.validation_report": ["ValidationReport"],
        "dataset": ["Dataset"],
        "failures": ["BadDataError", "FailureLog"],
        "feature_maps": ["feature_shapes", "pixel_anchors"],
        "files.atomic": ["atomic_file"],
        "files.downloads": [
            "COCO_MODEL_URL",
            "HDF5_SIGNATURE",
            "cache_dir",
            "download",
            "find_fault",
            "is_web_page",
        ],
        "files.image_files": [
            "IMAGE_SUFFIXES",
            "ImageParts",
            "list_images",
            "open_parts",
            "read_image",
        ],
        "files.open_images": ["ImageTooLargeError", "MAX_PIXELS"],
        "files.own_files": ["OwnFiles", "new_folder", "without_own"],
        "formats.coco.coco_dataset": ["CocoDataset", "PARTS_OF_VAL"],
        "formats.coco.coco_export": ["detections_to_coco", "to_coco"],
        "formats.coco.coco_names": ["COCO_NAMES"],
        "formats.cvat": ["CvatDataset"],
        "formats.format_table": ["FORMATS", "find_layouts"],
        "formats.label_images": ["LabelImageDataset"],
        "formats.labelme": ["LabelMeDataset"],
        "formats.mask_folders": ["MaskFolderDataset"],
        "formats.open_dataset": ["open_dataset"],
        "formats.subset_names": ["match_subset"],
        "formats.via.via_dataset": ["ViaDataset", "polygon_mask"],
        "formats.via.via_files": ["read_via"],
        "formats.voc.voc_dataset": ["VOC_CLASSES", "VocDataset"],
        "generator": ["DataGenerator"],
        "image_gt": ["load_image_gt"],
        "in_memory": ["InMemoryDataset"],
        "load_checks": ["check_has_objects", "check_sources"],
        "objects": ["Objects"],
        "outlines.annotation": ["Annotation"],
        "outlines.mask_files": ["LabelValue", "MaskFile"],
        "outlines.shapes": [
            "Ellipse",
            "Polygons",
            "Polyline",
            "Rectangle",
            "Rle",
            "Shape",
        ],
        "pooled_loader": ["PooledLoader"],
    },
)
