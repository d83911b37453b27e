"""Does the sample learn shapes from scratch in less than five minutes on a CPU?

    python benchmarks/learn_shapes.py                 # seeds 0, 1 and 2: 10 minutes
    python benchmarks/learn_shapes.py --seeds 0 --minutes 2

Trains the network of samples/shapes by the clock, seed by seed, and measures AP50 on
100 images that no training draws. Exit code 1 when one is below 0.80. What it writes
goes into a temporary folder.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from samples.shapes import shapes  # noqa: E402

TRAIN_IMAGES = 2000
UNSEEN_IMAGES = 100
MIN_AP50 = 0.80
COLUMNS = "seed  minutes  steps  box AP50  mask AP50  GFLOP/s"


def matmul_rate(side=1024, repeats=8):
    """GFLOP/s of a float32 matrix product, the best of a few: how fast is this CPU?"""
    import tensorflow as tf

    matrix = tf.random.stateless_uniform([side, side], seed=(0, 0))
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        tf.linalg.matmul(matrix, matrix).numpy()
        times.append(time.perf_counter() - start)
    return 2 * side**3 / min(times) / 1e9


def train(seed, minutes, folder):
    """The path of the trained weights, the minutes it took and the steps done."""
    from samples.shapes.time_budget import TimeBudget

    config = shapes.ShapesConfig()
    config.SEED = seed
    config.STEPS_PER_EPOCH = 50
    config.KEEP_CHECKPOINTS = 1
    model = shapes.make_model("training", config, folder)
    dataset = shapes.make_dataset(TRAIN_IMAGES, config, 2 * seed)
    start = time.monotonic()
    model.train(
        dataset,
        None,
        learning_rate=config.LEARNING_RATE,
        epochs=10_000,  # the clock ends it
        layers="all",
        custom_callbacks=[TimeBudget(minutes)],
        verbose=0,
    )
    taken = (time.monotonic() - start) / 60
    return model.find_last(), taken, int(model.keras_model.optimizer.iterations)


def evaluate(weights, folder):
    """AP50 of boxes and of masks on the unseen images."""
    config = shapes.ShapesInferenceConfig()
    model = shapes.make_model("inference", config, folder)
    model.load_weights(weights)
    dataset = shapes.make_dataset(UNSEEN_IMAGES, config, shapes.UNSEEN_SEED)
    records = shapes.evaluation.dataset_records(model, dataset)
    metrics = shapes.evaluation.evaluate_detections(records)
    return metrics["bbox"]["AP50"], metrics["segm"]["AP50"]


def main(argv=None):
    """Train, measure, print a table; the return value is the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--minutes", type=float, default=3, help="of each training")
    args = parser.parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    print(COLUMNS, flush=True)
    values = []
    for seed in args.seeds:
        rate = matmul_rate()
        with tempfile.TemporaryDirectory() as folder:
            weights, minutes, steps = train(seed, args.minutes, folder)
            box, mask = evaluate(weights, folder)
        values += [box, mask]
        print(
            f"{seed:4d}  {minutes:7.2f}  {steps:5d}  {box:8.3f}  {mask:9.3f}  "
            f"{rate:7.1f}",
            flush=True,
        )
    worst = np.min(values)
    print(f"lowest: {worst:.3f} (at least {MIN_AP50})")
    return int(not worst >= MIN_AP50)  # NaN, too, is a failure


if __name__ == "__main__":
    sys.exit(main())
