"""Measure a trained model on a data set: COCO's numbers, by class too.

    mrcnn evaluate --data balloon --subset val --weights last
    mrcnn evaluate --data coco --subset val2017 --weights coco --limit 500 --output ap

Scores are not cut, whatever the Config says: AP needs the whole ranking.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mrcnn.cli import arguments, weights
from mrcnn.cli.errors import need, note_spared
from mrcnn.data import OwnFiles

EXAMPLES = 6


def add(command: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    arguments.add_data(command)
    add = command.add_argument
    add("--subset", help="as val; all images without it")
    arguments.add_weights(command)
    add("--limit", type=int, default=0, metavar="N", help="images; 0 for all")
    add("--batch", type=int, default=1, metavar="N", help="images at once")
    text = "most detections of a class and image, the surest count (default: 100)"
    add("--max-detections", type=int, default=100, metavar="N", help=text)
    text = "folder for result.json, figures and example images"
    add("--output", type=Path, metavar="DIR", help=text)


def run(args: argparse.Namespace) -> int:
    """Prints the table of numbers; writes them and figures to --output."""
    fits = args.limit >= 0 and args.batch >= 1 and args.max_detections >= 1
    need(fits, "--limit: 0 or more; --batch, --max-detections: 1 or more")
    arguments.need_folder(args.output, "--output")
    found = weights.find_weights(args.weights, args.logs)
    dataset = arguments.open_data(args, args.subset)
    setup = arguments.make_setup(args, found, args.settings)
    check_classes(setup.class_names, dataset.class_names)
    model = weights.load_model(setup, args.logs)

    from mrcnn.evaluation import evaluate

    image_ids = dataset.image_ids[: args.limit or None]
    result = evaluate(model, dataset, image_ids, max_detections=args.max_detections)
    if args.output is not None:
        with OwnFiles(args.output) as own:
            result.to_json(own.unfinished / "result.json")
            own.keep("result.json")
            result.plot(own.unfinished)
            _draw_examples(model, dataset, image_ids[:EXAMPLES], own.unfinished)
            own.keep_all()
        note_spared(own)
        print(f"Numbers and figures are in {args.output.resolve()}")
    return 0


def check_classes(trained: list[str], present: list[str]) -> None:
    """Raises CommandError unless the classes of a model can be those of a data set.

    Args:
        trained: class names of the model, the background's first.
        present: class names of the data set, likewise.
    """
    trained, present = list(trained)[1:], list(present)[1:]
    if trained == present:
        return
    need(
        len(trained) == len(present) and set(trained) != set(present),
        f"the model finds {len(trained)} classes ({weights.some(trained)}), the data "
        f"has {len(present)} ({weights.some(present)}): not the same, or in another "
        "order; evaluate on data with the classes of the training",
    )
    weights.note_renamed(trained, present)


def _draw_examples(model, dataset, image_ids, folder: Path) -> None:
    """Writes examples.png: a few images with their objects and detections."""
    from mrcnn.evaluation import load_image_for
    from mrcnn.viz.grids import display_truth_and_detections

    examples = []
    for i in image_ids:
        image = load_image_for(model, dataset, i)
        examples.append((image, *dataset.load_mask(i), model.detect([image])[0]))
    path = folder / "examples.png"
    display_truth_and_detections(examples, dataset.class_names, save_path=path)
