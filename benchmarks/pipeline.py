"""How many training samples a second, where their time goes, and who waits for whom.

    python benchmarks/pipeline.py                          # all of it: 5 minutes
    python benchmarks/pipeline.py --data balloon --steps 0

A sample is an image of 1024 x 1024 px with its mini masks and RPN targets, made by the
DataGenerator as a training makes it. Three tables:

1. Samples a second: in the calling thread (also by the processor's clock, which does
   not count what else runs on the machine), and out of a PooledLoader with one worker
   and two, threads and processes. The best of `--repeats` rounds.
2. Where the time goes, milliseconds of the processor a sample, one after the other in
   one thread.
3. The share of a training step that is spent waiting for its batch. Measured: a small
   network takes steps on the batches as `fit` reads them (DataGenerator, PooledLoader,
   tf.data), and the clock runs while it asks for the next one. Modeled, from the rates
   of table 1: a faster device, whose step takes a given time. With prefetching it waits
   max(0, time of a batch - time of a step).

The data is the optional shared folder: --folder, or MRCNN_SHARED.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

SUBSETS = {"balloon": "train", "coco_tiny": None, "nucleus": None}
AIM = 12  # samples a second of balloon photographs, one worker
WORKERS = ((1, False), (2, False), (1, True), (2, True))  # number, processes
STEP_TIMES = (0.05, 0.1, 0.2, 0.4)  # s, of the modeled devices
WARM_STEPS = 2


def make_config(num_classes, side):
    """A small network on square images."""
    from mrcnn.config import Config

    class PipelineConfig(Config):
        NAME = "pipeline"
        NUM_CLASSES = num_classes
        IMAGES_PER_GPU = 1
        IMAGE_MIN_DIM = side
        IMAGE_MAX_DIM = side
        BACKBONE = "resnet18"
        BACKBONE_WIDTH = 16
        NORM = "group"
        TOP_DOWN_PYRAMID_SIZE = 32
        RPN_CHANNELS = 32
        MASK_HEAD_CHANNELS = 32
        FPN_CLASSIF_FC_LAYERS_SIZE = 64
        TRAIN_ROIS_PER_IMAGE = 50

    return PipelineConfig()


def make_generator(folder, name, side):
    """DataGenerator of a shared data set, batches of one image."""
    from mrcnn.data import DataGenerator, open_dataset

    dataset = open_dataset(folder / name, SUBSETS[name])
    return DataGenerator(dataset, make_config(dataset.num_classes, side), seed=0)


# --- 1. samples a second --------------------------------------------------------------


def direct_rates(generator, count):
    """Samples a second of the clock, and of the processor, in this thread."""
    generator.make_batch(0, 0)
    start, start_cpu = time.perf_counter(), time.thread_time()
    for index in range(count):
        generator.make_batch(0, index)
    return (
        count / (time.perf_counter() - start),
        count / (time.thread_time() - start_cpu),
    )


def loader_rate(generator, count, workers, processes):
    """Samples a second out of a PooledLoader, after the first ones."""
    from mrcnn.data import PooledLoader

    steps = len(generator)
    with PooledLoader(generator, workers, processes) as loader:
        for index in range(workers + 1):
            loader.get(*divmod(index, steps))
        start = time.perf_counter()
        for index in range(workers + 1, workers + 1 + count):
            loader.get(*divmod(index, steps))
        return count / (time.perf_counter() - start)


def rates(generator, count, repeats):
    """Column -> best rate of all rounds."""
    best = {}
    for _ in range(repeats):
        wall, cpu = direct_rates(generator, count)
        found = {"direct": wall, "direct, CPU": cpu}
        for workers, processes in WORKERS:
            kind = "process" if processes else "thread"
            name = f"{workers} {kind}{'es' if processes else 's'}"
            name = f"1 {kind}" if workers == 1 else name
            found[name] = loader_rate(generator, count, workers, processes)
        best = {name: max(rate, best.get(name, 0)) for name, rate in found.items()}
    return best


# --- 2. where the time goes -----------------------------------------------------------


class Stopwatch:
    """Adds up the processor's time of functions, each without those inside of it."""

    def __init__(self):
        self.seconds = {}
        self._inner = [0.0]

    def timed(self, name, function):
        """The function, with its time noted under a name."""

        def call(*args, **kwargs):
            self._inner.append(0.0)
            start = time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                spent = time.thread_time() - start
                own = spent - self._inner.pop()
                self._inner[-1] += spent
                self.seconds[name] = self.seconds.get(name, 0.0) + own

        return call


@contextlib.contextmanager
def watched(places):
    """A Stopwatch on [(object, attribute, name)], as long as the block runs."""
    from unittest import mock

    watch = Stopwatch()
    with contextlib.ExitStack() as stack:
        for owner, attribute, name in places:
            function = watch.timed(name, getattr(owner, attribute))
            stack.enter_context(mock.patch.object(owner, attribute, function))
        yield watch


def parts(generator, count, repeats):
    """Part -> least milliseconds of the processor a sample."""
    from mrcnn.data import generator as generators
    from mrcnn.data import image_gt

    places = [
        (generator, "make_batch", "the rest"),
        (generator.dataset, "load_image", "read the file"),
        (generator.dataset, "objects", "draw the objects"),
        (image_gt, "resize_image", "resize the image"),
        (image_gt, "resize_objects", "resize the objects"),
        (image_gt, "mini_masks", "mini masks"),
        (generators, "anchor_targets", "RPN targets"),
        (generators, "subtract_mean", "subtract the mean"),
    ]
    best = {name: float("inf") for _, _, name in places}
    for _ in range(repeats):
        with watched(places) as watch:
            for index in range(count):
                generator.make_batch(0, index)
        for name in best:
            spent = 1000 * watch.seconds.get(name, 0.0) / count
            best[name] = min(best[name], spent)
    return best


# --- 3. who waits ---------------------------------------------------------------------


def measured_waiting(generator, steps, workers):
    """(seconds a step, share of it spent waiting) of the small network."""
    import keras

    from mrcnn.data import PooledLoader
    from mrcnn.engine.training.callbacks import BatchSource
    from mrcnn.model import MaskRCNN

    with tempfile.TemporaryDirectory() as folder:
        model = MaskRCNN("training", generator.config, folder).keras_model
    model.compile(optimizer=keras.optimizers.SGD(1e-4), jit_compile=False)
    waited = worked = 0.0
    with PooledLoader(generator, workers) as loader:
        batches = iter(BatchSource(loader).dataset(model))
        for step in range(WARM_STEPS + steps):
            start = time.perf_counter()
            batch = next(batches)
            ready = time.perf_counter()
            model.train_on_batch(batch)
            end = time.perf_counter()
            if step >= WARM_STEPS:
                waited += ready - start
                worked += end - ready
    return (waited + worked) / steps, waited / (waited + worked)


def modeled_waiting(rate, step_time):
    """Share of the time that a device waits whose step takes step_time."""
    return max(0.0, 1 - step_time * rate)


# --- tables ---------------------------------------------------------------------------


def print_table(title, columns, rows):
    """Columns as wide as what is in them."""
    cells = [[str(cell) for cell in row] for row in [columns, *rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    print(f"\n{title}\n")
    for row in cells:
        first, *rest = (c.rjust(w) for c, w in zip(row, widths, strict=True))
        print("  ".join([first.strip().ljust(widths[0]), *rest]), flush=True)


def main(argv=None):
    """Measure and print; the return value is the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    shared = os.environ.get("MRCNN_SHARED", ROOT.parent / "shared")
    parser.add_argument("--folder", type=Path, default=Path(shared) / "data")
    parser.add_argument("--data", nargs="+", choices=list(SUBSETS), default=[*SUBSETS])
    parser.add_argument("--side", type=int, default=1024, help="of an image, px")
    parser.add_argument("--count", type=int, default=61, help="samples a round")
    parser.add_argument("--repeats", type=int, default=3, help="rounds")
    parser.add_argument("--steps", type=int, default=6, help="of training; 0: none")
    args = parser.parse_args(argv)
    for name in args.data:
        if not (args.folder / name).is_dir():
            parser.error(f"--folder {args.folder}: has no folder {name!r}")
    if min(args.count, args.repeats) < 1:
        parser.error("--count and --repeats: must be 1 or more")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

    # All that forks comes before TensorFlow and its threads.
    generators = {n: make_generator(args.folder, n, args.side) for n in args.data}
    speed, times = {}, {}
    for name, generator in generators.items():
        count = min(args.count, len(generator))
        speed[name] = rates(generator, count, args.repeats)
        times[name] = parts(generator, count, args.repeats)
    size = f"{args.side} x {args.side} px"
    print_table(
        f"Samples a second, {size}, {os.cpu_count()} CPUs, best of {args.repeats}",
        ["", *next(iter(speed.values()))],
        [[n, *(f"{rate:.1f}" for rate in row.values())] for n, row in speed.items()],
    )
    names = list(next(iter(times.values())))
    print_table(
        f"Milliseconds of the processor a sample, {size}, one thread",
        ["", *times],
        [[part, *(f"{times[n][part]:.1f}" for n in times)] for part in names]
        + [["together", *(f"{sum(times[n].values()):.1f}" for n in times)]],
    )
    print_table(
        "Share of a step spent waiting, modeled, by the time of a step",
        ["", *(f"{1000 * t:.0f} ms" for t in STEP_TIMES)],
        [
            [
                f"{n}, {w}",
                *(f"{modeled_waiting(speed[n][w], t):.0%}" for t in STEP_TIMES),
            ]
            for n in speed
            for w in ("1 thread", "2 threads")
        ],
    )
    if args.steps:
        rows = []
        for name, generator in generators.items():
            for workers in (1, 2):
                step, share = measured_waiting(generator, args.steps, workers)
                rows.append([f"{name}, {workers}", f"{step:.2f}", f"{share:.1%}"])
        print_table(
            f"Share of a step spent waiting, measured, {args.steps} steps on the CPU",
            ["data, workers", "s a step", "waiting"],
            rows,
        )
    if "balloon" not in speed:
        return 0
    rate = speed["balloon"]["1 thread"]
    print(f"\nballoon, 1 worker: {rate:.1f} samples a second (aim: {AIM})")
    return int(rate < AIM)


if __name__ == "__main__":
    sys.exit(main())
