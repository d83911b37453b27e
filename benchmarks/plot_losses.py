"""Draw the loss curves of training runs from their TensorBoard logs.

    python benchmarks/plot_losses.py logs/smallballoon20261120T1430 --output losses.png

Each argument is the folder of one run; the runs share the axes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

LOSSES = (
    "loss",
    "rpn_class_loss",
    "rpn_bbox_loss",
    "mrcnn_class_loss",
    "mrcnn_bbox_loss",
    "mrcnn_mask_loss",
)


def read_losses(folder):
    """The losses of each epoch by name, of one folder of event files."""
    import tensorflow as tf
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
    return {
        name: [
            float(tf.make_ndarray(event.tensor_proto))
            for event in events.Tensors(f"epoch_{name}")
        ]
        for name in LOSSES
    }


def main(argv=None):
    """Read the runs, draw, save; the return value is the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, help="folders of runs")
    parser.add_argument("--output", type=Path, default=Path("losses.png"))
    args = parser.parse_args(argv)
    for run in args.runs:
        if not (run / "train").is_dir():
            parser.error(f"{run}: no folder train with TensorBoard logs in it")

    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 7), layout="constrained")
    axes = figure.subplots(2, 3).ravel()
    for number, run in enumerate(args.runs):
        for part, style in (("train", "-"), ("validation", "--")):
            if not (run / part).is_dir():
                continue
            for ax, (name, values) in zip(
                axes, read_losses(run / part).items(), strict=True
            ):
                label = f"run {number + 1}, {part}"
                epochs = range(1, len(values) + 1)
                ax.plot(epochs, values, style, color=f"C{number}", label=label)
                ax.set(title=name, xlabel="epoch", ylim=(0, None))
    axes[0].legend()
    for ax in axes:
        ax.grid(alpha=0.3)
    figure.savefig(args.output, dpi=80)
    print(f"Saved {args.output.resolve()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
