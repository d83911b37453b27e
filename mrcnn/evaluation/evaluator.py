"""Evaluates a model on a data set."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mrcnn.config_checks import DATA_ERROR_RULES, DETECTION_LIMITS, most_detections
from mrcnn.evaluation.coco import MAX_DETECTIONS, check_limit, evaluate_records
from mrcnn.evaluation.dataset_records import load_image_for, truth_record
from mrcnn.evaluation.records import KINDS, check_kinds, compact, with_classes
from mrcnn.evaluation.report import EvaluationResult


def evaluate(
    model: Any,
    dataset: Any,
    image_ids: Iterable[int] | None = None,
    *,
    iou_types: Sequence[str] = KINDS,
    class_ids: Iterable[int] | None = None,
    min_confidence: float = 0.0,
    max_detections: int = MAX_DETECTIONS,
    on_data_error: str = "raise",
    verbose: int = 1,
) -> EvaluationResult:
    """Returns COCO's numbers of a model on a data set, boxes and masks, scores uncut.

    Every image is detected in once, those without objects too. The numbers are
    pycocotools' own, crowds by its rule. AP integrates over the whole ranking, so while
    this runs the detector's score cut (DETECTION_MIN_CONFIDENCE) is `min_confidence`;
    afterwards it is what it was. DETECTION_MAX_INSTANCES and POST_NMS_ROIS_INFERENCE
    still hold, and so does DETECTION_CLASS_RULE: "best" gives each RoI one class, which
    ends the curves earlier than "all".

    Args:
        model: a MaskRCNN made for inference; or whatever has `detect(images,
            masks="rle")` (masks=None if only boxes are wanted) and gives what
            `MaskRCNN.detect` gives.
        dataset: a prepared Dataset, of the model's classes.
        image_ids: inside ids of the images to evaluate; None for all.
        iou_types: of "bbox" and "segm".
        class_ids: inside ids of the classes that count; None for all.
        min_confidence: probability below which detections are left out; 0.0 for none.
        max_detections: of a class and image, the surest; the others are left out. 100
            is COCO's number; images with more objects of a class need more, for their
            recall to reach 1. The table says so, and its AR100 is named by the number.
        on_data_error: what an image or its objects do that can't be loaded: "raise", or
            "skip": the numbers are of the other images, which a warning says. More
            than a quarter of the images is an error all the same.
        verbose: 1 shows progress and prints the table, 0 nothing.

    Returns:
        An EvaluationResult: `result["segm"]["AP"]`, `.table()`, `.to_json(path)`,
        `.plot(folder)`, `.voc()`, `.dsb2018()`, `.confusion_matrix()`.

    Raises:
        ValueError: model and data set have other classes, an image or class that
            isn't there, an image twice, another iou_type, or no whole number of
            detections.
        Exception: what the data set raised, see on_data_error.

    Warns of more `max_detections` than COCO's that the model doesn't return.
    """
    check_kinds(f"evaluate(iou_types={tuple(iou_types)})", iou_types)
    if on_data_error not in DATA_ERROR_RULES:
        raise ValueError(
            f"evaluate(on_data_error={on_data_error!r}): must be one of "
            f"{', '.join(map(repr, DATA_ERROR_RULES))}."
        )
    kinds = tuple(kind for kind in KINDS if kind in iou_types)
    ids = _image_ids(dataset, image_ids)
    check_max_detections(model, max_detections)
    class_ids = None if class_ids is None else list(class_ids)
    names = _class_names(model, dataset, class_ids)
    form = "rle" if "segm" in kinds else None
    records, failed = [], {}
    allowed = failed if on_data_error == "skip" else None
    with score_cut(model, min_confidence) as is_cut:
        for truth, found in _detect(model, dataset, ids, form, verbose, allowed):
            record = compact({**truth, **found})
            _check_classes(record, dataset)
            records.append(record if class_ids is None else with_classes(record, names))
    if failed:
        listed = "".join(f"\n  {text}" for text in failed.values())
        warnings.warn(
            f"evaluate(): {len(failed)} of {len(ids)} images can't be loaded, the "
            f"numbers are of the other {len(records)}:{listed}",
            stacklevel=2,
        )
    ordered = _in_source_order(records, dataset)
    found = evaluate_records(ordered, kinds, names, max_detections)
    result = EvaluationResult(records, names, found, min_confidence if is_cut else None)
    if verbose:
        print(result.table())
    return result


@contextlib.contextmanager
def score_cut(model: Any, min_confidence: float) -> Iterator[bool]:
    """Makes a model detect from this score on, as long as the context lasts.

    Another thread that detects with the same model meanwhile gets the same.

    Args:
        model: a MaskRCNN made for inference. Warns of one whose cut can't be seen.
        min_confidence: lowest score detected, probability; 0.0 for any.

    Yields:
        Whether it could be done.
    """
    if hasattr(model, "follow_config"):
        # Else what was changed in its Config would take the place of this cut.
        model.follow_config("evaluate")
    layers = getattr(getattr(model, "keras_model", None), "layers", ())
    cut_layers = [layer for layer in layers if hasattr(layer, "min_confidence")]
    if not cut_layers:
        warnings.warn(
            f"evaluate(): {type(model).__name__} has no keras_model with a layer that "
            "cuts scores, so its cut can't be changed. AP is too low if its detect() "
            "leaves out detections of low scores: let it return all.",
            stacklevel=4,
        )
        yield False
        return
    before = [layer.min_confidence for layer in cut_layers]
    try:
        for layer in cut_layers:
            layer.min_confidence = min_confidence
        yield True
    finally:
        for layer, value in zip(cut_layers, before, strict=True):
            layer.min_confidence = value


def _image_ids(dataset, image_ids) -> list[int]:
    """Returns the images to evaluate, checked."""
    known = {int(i) for i in dataset.image_ids}
    if not known:
        raise ValueError(
            f"evaluate({type(dataset).__name__}): the data set has no images; add some "
            "with add_image() and call prepare()."
        )
    ids = [int(i) for i in (dataset.image_ids if image_ids is None else image_ids)]
    if not ids or set(ids) - known or len(set(ids)) < len(ids):
        raise ValueError(
            f"evaluate(image_ids={ids[:10]}{' ...' if ids[10:] else ''}): give inside "
            f"ids of the data set (0 to {max(known)}), at least one, each once."
        )
    return ids


def check_max_detections(model: Any, max_detections: int) -> None:
    """Raises for no number; warns of more detections than a model returns."""
    check_limit("evaluate", max_detections)
    config = getattr(model, "config", None)
    returned = most_detections(config)
    if max(returned, MAX_DETECTIONS) < max_detections:
        known = [name for name in DETECTION_LIMITS if hasattr(config, name)]
        limits = ", ".join(f"{name}={getattr(config, name)}" for name in known)
        warnings.warn(
            f"evaluate(max_detections={max_detections}): the model returns {returned} "
            f"an image at most, by {limits}, which limits the recall of fuller ones; "
            "build it with more of both.",
            stacklevel=3,
        )


def _in_source_order(records, dataset):
    """Returns records by the ids of their source, where these are whole numbers of one.

    COCO's tools rank detections of one score in this order, which the third digit of
    an AP can show.
    """
    if not hasattr(dataset, "image_info"):
        return records
    infos = {r.image_id: dataset.image_info[r.image_id] for r in records}
    is_one_source = len({info["source"] for info in infos.values()}) == 1
    if is_one_source and all(isinstance(i["id"], int) for i in infos.values()):
        return sorted(records, key=lambda record: infos[record.image_id]["id"])
    return records


def _class_names(model, dataset, class_ids) -> dict[int, str]:
    """Returns class id -> name of the classes to evaluate."""
    num_classes = getattr(getattr(model, "config", None), "NUM_CLASSES", None)
    if num_classes not in (None, dataset.num_classes):
        raise ValueError(
            f"evaluate(): the model has NUM_CLASSES={num_classes}, the data set "
            f"{dataset.num_classes} with the background; register the classes that the "
            "model was trained with, in that order."
        )
    names = {i: str(dataset.class_names[i]) for i in range(1, dataset.num_classes)}
    if class_ids is None:
        return names
    wanted = sorted({int(i) for i in class_ids})
    if not wanted or set(wanted) - names.keys():
        raise ValueError(
            f"evaluate(class_ids={wanted}): give inside ids, at least one, from 1 to "
            f"{dataset.num_classes - 1}."
        )
    return {i: names[i] for i in wanted}


def _detect(
    model, dataset, ids, form, verbose, failed: dict[int, str] | None
) -> Iterator[tuple[dict, dict]]:
    """Yields (truth, detections) of each image, detected in a batch at a time.

    Images that can't be loaded are left out, and their errors added to `failed`, up to
    a quarter of them; None: the first is raised.
    """
    from tqdm import tqdm

    size = max(int(getattr(getattr(model, "config", None), "BATCH_SIZE", 1)), 1)
    with tqdm(
        total=len(ids), desc="evaluate", unit="image", disable=not verbose
    ) as bar:
        for start in range(0, len(ids), size):
            images, truths = [], []
            for image_id in ids[start : start + size]:
                try:
                    image = load_image_for(model, dataset, image_id)
                    truth = truth_record(dataset, image_id, *image.shape[:2])
                except Exception as error:
                    if failed is None or len(failed) + 1 > len(ids) / 4:
                        raise
                    text = f"{type(error).__name__}: {error}"
                    failed[image_id] = f"image id {image_id}: {text}"
                    bar.update()
                    continue
                images.append(image)
                truths.append(truth)
            if not images:
                continue
            results = model.detect(images, masks=form)
            for truth, found in zip(truths, results, strict=True):
                yield truth, found
                bar.update()


def _check_classes(record, dataset) -> None:
    """Raises when a class id isn't one of the data set."""
    for ids, what in (
        (record.gt_class_ids, "load_mask"),
        (record.class_ids, "detect"),
    ):
        wrong = ids[(ids < 1) | (ids >= dataset.num_classes)]
        if len(wrong):
            raise ValueError(
                f"evaluate(image_id={record.image_id}): {what} gave the class id "
                f"{wrong[0]}; the data set has 1 to {dataset.num_classes - 1}."
            )
