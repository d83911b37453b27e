"""How well the bundled network finds nuclei, by kind of image; how fast it is.

    python benchmarks/nucleus.py --data nucleus
    python benchmarks/nucleus.py --data nucleus --markdown mrcnn/pretrained/nucleus.md

The folder is that of the Data Science Bowl 2018: it holds stage1_train. The 25
validation images, those of samples/nucleus/val_image_ids.txt, are detected in once,
and all figures come from these detections. --markdown alone prints the figures as the
model card has them; with a file it replaces those between the file's two marks.
--failures draws the images of each kind with the worst scores, --sheet all of these
beside each other.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import textwrap
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mrcnn.cli import weights
from mrcnn.evaluation import dsb_evaluate, evaluate, evaluate_detections

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from samples.nucleus.nucleus import make_dataset  # noqa: E402

SMALL, LARGE, STAINED, BRIGHT = (
    "small fluorescence",
    "large fluorescence",
    "stained",
    "bright-field",
)
KINDS = (SMALL, LARGE, STAINED, BRIGHT)
SMALL_SIDE = 360  # px
COLORED = 5  # grey levels between the channels, mean over the pixels
RULE = (
    f"Kinds by rule: {STAINED}, if red, green and blue differ by more than {COLORED} "
    f"of 255 on average; {BRIGHT}, if the median pixel is 128 or brighter; all others "
    f"are fluorescence, small up to {SMALL_SIDE} px a side."
)
LIMITS = (100, 500)  # detections of an image that AP looks at; the first is COCO's
SCORE = 0.5  # of detections that are counted, and scored by the competition's rule
METRICS = ("AP50", "AP", "AP75")
START, END = "<!-- figures -->", "<!-- end of figures -->"


class Row(NamedTuple):
    """Figures of the images of a kind.

    Attributes:
        kind: its name.
        images: how many.
        nuclei: marked in them.
        found: detections of a score of SCORE or more.
        count_error: sum over images of |found - nuclei|, as a part of all nuclei.
        dsb: score of the Data Science Bowl 2018.
        aps: limit -> numbers of masks by the names of METRICS.
    """

    kind: str
    images: int
    nuclei: int
    found: int
    count_error: float
    dsb: float
    aps: dict[int, dict[str, float]]


def kind_of(image):
    """The kind of an image uint8 [H, W, 3], by RULE."""
    spread = image.max(axis=2).astype(int) - image.min(axis=2)
    if spread.mean() > COLORED:
        return STAINED
    if np.median(image) >= 128:
        return BRIGHT
    return SMALL if max(image.shape[:2]) <= SMALL_SIDE else LARGE


def make_row(kind, records):
    """The Row of some ImageRecords with uncut scores."""
    true = np.array([len(record.gt_class_ids) for record in records])
    found = np.array([np.sum(record.scores >= SCORE) for record in records])
    aps = {}
    for limit in LIMITS:
        metrics = evaluate_detections(records, limit)["segm"]
        aps[limit] = {name: metrics[name] for name in METRICS}
    return Row(
        kind,
        len(records),
        int(true.sum()),
        int(found.sum()),
        float(np.abs(found - true).sum() / max(true.sum(), 1)),
        dsb_evaluate(records, SCORE).score,
        aps,
    )


def make_rows(records, kinds):
    """A Row of all, and one of each kind that occurs.

    Args:
        records: ImageRecords.
        kinds: name of the kind of each.
    """
    rows = [make_row("all", records)]
    for kind in KINDS:
        own = [r for r, k in zip(records, kinds, strict=True) if k == kind]
        if own:
            rows.append(make_row(kind, own))
    return rows


def make_cells(rows):
    """The table as texts: its head and a line a Row."""
    head = ["kind", "images", "nuclei", "found", "count error", "DSB 2018"]
    head += [f"{name} ({limit})" for limit in LIMITS for name in METRICS]
    cells = [head]
    for row in rows:
        line = [row.kind, row.images, row.nuclei, row.found]
        line += [f"{100 * row.count_error:.1f} %", f"{row.dsb:.3f}"]
        line += [f"{row.aps[i][name]:.3f}" for i in LIMITS for name in METRICS]
        cells.append([str(cell) for cell in line])
    return cells


def aligned(cells):
    """A table for a terminal."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in cells
    )


def piped(cells):
    """A table for markdown."""
    lines = [f"| {' | '.join(line)} |" for line in cells]
    return "\n".join([lines[0], "|---|" + "--:|" * (len(cells[0]) - 1), *lines[1:]])


def filled(text, figures):
    """A model card with these figures between its marks."""
    if text.count(START) != 1 or text.count(END) != 1:
        raise ValueError(f"{START} and {END} have to be there, once each")
    before, rest = text.split(START)
    after = rest.split(END)[1]
    return f"{before}{START}\n{figures}\n{END}{after}"


def detection_time(model, image, repeats=7):
    """Median seconds of detecting in one image: (by the clock, of all cores)."""
    for _ in range(2):  # the first compiles
        model.detect([image])
    clock, cores = [], []
    for _ in range(repeats):
        start = time.perf_counter(), time.process_time()
        model.detect([image])
        clock.append(time.perf_counter() - start[0])
        cores.append(time.process_time() - start[1])
    return statistics.median(clock), statistics.median(cores)


def matmul_rate(size=2048, repeats=5):
    """GFLOP/s of products of float32 matrices in TensorFlow, once warm."""
    import tensorflow as tf

    matrix = tf.random.stateless_normal([size, size], [0, 0])
    tf.matmul(matrix, matrix).numpy()
    start = time.perf_counter()
    for _ in range(repeats):
        product = tf.matmul(matrix, matrix)
    product.numpy()
    return repeats * 2 * size**3 / (time.perf_counter() - start) / 1e9


def speed(model, images):
    """A sentence on the time of one image, and on the machine."""
    small = [image for image in images if image.shape[:2] == (256, 256)]
    image = small[0] if small else min(images, key=lambda image: image.size)
    clock, cores = detection_time(model, image)
    return (
        f"One image of {image.shape[0]} x {image.shape[1]} px takes {clock:.2f} s "
        f"({cores:.2f} s of all cores together) on a machine that multiplies float32 "
        f"matrices at {matmul_rate():.0f} GFLOP/s."
    )


def worst_of_each(records, kinds, count):
    """(index, score) of the worst `count` records of each kind, kind after kind."""
    scores = dsb_evaluate(records, SCORE).per_image
    worst = []
    for kind in KINDS:
        own = [i for i, k in enumerate(kinds) if k == kind]
        own.sort(key=lambda i: scores[records[i].image_id])
        worst += [(i, scores[records[i].image_id]) for i in own[:count]]
    return worst


def draw(dataset, record, title, **options):
    """Draw what was found, missed and made up in an image."""
    from mrcnn.visualize import display_differences

    display_differences(
        dataset.load_image(record.image_id),
        *(record.gt_boxes, record.gt_class_ids, record.gt_rles),
        *(record.boxes, record.class_ids, record.scores, record.rles),
        dataset.class_names,
        title=title,
        show_box=False,
        score_threshold=SCORE,
        **options,
    )


def draw_failures(dataset, records, kinds, worst, folder):
    """Draw each of the worst images to a file in a folder; returns the paths."""
    paths = []
    for i, score in worst:
        name, kind = picture_id(dataset, records[i]), kinds[i]
        paths.append(folder / f"{kind.replace(' ', '_')}_{score:.2f}_{name}.png")
        title = f"{name}, {kind}, score {score:.2f}"
        draw(dataset, records[i], title, save_path=paths[-1])
    return paths


def draw_sheet(dataset, records, kinds, worst, path):
    """Draw the worst images beside each other, to one small file."""
    from matplotlib.figure import Figure

    columns = min(len(worst), 4)
    lines = -(-len(worst) // columns)
    sheet = Figure(figsize=(4 * columns, 4.2 * lines), layout="constrained")
    sheet.suptitle("green: found, blue: missed, orange: made up")
    axes = sheet.subplots(lines, columns, squeeze=False).ravel()
    for ax in axes[len(worst) :]:
        ax.axis("off")
    for ax, (i, score) in zip(axes, worst, strict=False):
        draw(dataset, records[i], "", ax=ax, show_label=False)
        # The legend of one image is too wide for a small one.
        counts = [text.get_text() for text in ax.get_legend().get_texts()[:3]]
        ax.get_legend().remove()
        name = f"{picture_id(dataset, records[i])}, {kinds[i]}, score {score:.2f}"
        ax.set_title(f"{name}\n{', '.join(counts)}", fontsize=10)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.savefig(path, dpi=75, pil_kwargs={"quality": 80})
    return path


def picture_id(dataset, record):
    """The first letters of the id of an image: it has 64."""
    return str(dataset.image_info[record.image_id]["id"])[:8]


def main(argv=None):
    """Print the figures; the return value is the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--data", type=Path, required=True, help="holds stage1_train")
    add("--subset", default="val")
    add("--weights", default="nucleus", help=weights.WEIGHTS_HELP)
    add("--logs", type=Path, default=Path("logs"))
    add("--set", dest="settings", action="append", default=[], help="NAME=VALUE")
    text = "print for the model card; with FILE, write it there"
    add("--markdown", nargs="?", const="", metavar="FILE", help=text)
    add("--failures", type=Path, metavar="DIR", help="draw the worst images here")
    add("--sheet", type=Path, metavar="FILE", help="all of them in one jpg or png")
    add("--worst", type=int, default=2, metavar="N", help="of each kind")
    args = parser.parse_args(argv)
    if args.worst < 1:
        parser.error(f"--worst {args.worst}: 1 or more")
    card = None
    if args.markdown:
        try:
            card = Path(args.markdown).read_text(encoding="utf-8")
            filled(card, "")
        except (OSError, ValueError) as error:
            parser.error(f"--markdown {args.markdown}: {error}")

    try:
        dataset = make_dataset(args.data, args.subset)
    except (OSError, ValueError) as error:
        parser.error(f"--data {args.data}: {error}")
    found = weights.find_weights(args.weights, args.logs)
    setup = weights.inference_setup(found, settings=args.settings)
    model = weights.load_model(setup, args.logs)
    images = [dataset.load_image(i) for i in dataset.image_ids]
    kinds = [kind_of(image) for image in images]
    records = evaluate(model, dataset, iou_types=("segm",), verbose=0).records

    rows = make_rows(records, kinds)
    size = setup.path.stat().st_size / 1e6
    count = model.keras_model.count_params()
    facts = f"{setup.path.name}: {size:.1f} MB, {count:,} parameters."
    notes = [
        RULE,
        f"Found: detections of a score of {SCORE:g} or more. Count error: the sum over "
        "images of what is too much or too few, as a part of all nuclei. AP is of "
        f"masks, with scores uncut; in brackets, how many detections of an image it "
        f"looks at: COCO's {LIMITS[0]}, or {LIMITS[1]}.",
        f"{facts} {speed(model, images)}",
    ]
    notes = [textwrap.fill(note, 92) for note in notes]
    if args.markdown is None:
        print(aligned(make_cells(rows)), *notes, sep="\n\n")
    else:
        figures = "\n\n".join([piped(make_cells(rows)), *notes])
        print(figures)
        if card is not None:
            Path(args.markdown).write_text(filled(card, figures), encoding="utf-8")
    worst = worst_of_each(records, kinds, args.worst)
    if args.failures is not None:
        print(*draw_failures(dataset, records, kinds, worst, args.failures), sep="\n")
    if args.sheet is not None:
        print(draw_sheet(dataset, records, kinds, worst, args.sheet))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
