"""Curves of a training run."""

from __future__ import annotations

import numpy as np
import pytest

from mrcnn import visualize
from mrcnn.config_checks import LOSS_NAMES
from mrcnn.viz.history import append_epoch


@pytest.fixture
def run(tmp_path):
    """A run of four epochs with AP in every second one."""
    run = tmp_path / "shapes20260101T1200"
    run.mkdir()
    for epoch, val_loss in ((1, 3.0), (2, 1.5), (3, 1.0), (4, 1.2)):
        numbers = {name: 1 / epoch for name in ("loss", *LOSS_NAMES)}
        numbers["val_loss"] = val_loss
        if epoch % 2 == 0:
            numbers |= {"val_segm_AP": epoch / 10, "val_segm_AP50": epoch / 5}
        numbers |= {"learning_rate": 0.01, "seconds": 60, "my_number": epoch}
        append_epoch(run, epoch, numbers)
    return run


def panels(figure):
    return {ax.get_title(): ax for ax in figure.axes if ax.get_title()}


def curves(ax):
    """Points of the labeled curves by label."""
    return {
        line.get_label(): line.get_xydata().tolist()
        for line in ax.lines
        if not line.get_label().startswith("_")
    }


def test_a_folder_is_drawn_in_panels(run, shows):
    visualize.plot_training(run)
    (figure,) = shows
    assert figure.get_suptitle() == run.name
    titles = ["loss", *LOSS_NAMES, "AP of masks", "learning rate", "my_number"]
    assert list(panels(figure)) == titles
    assert curves(panels(figure)["loss"]) == {
        "training": [[1, 1], [2, 1 / 2], [3, 1 / 3], [4, 1 / 4]],
        "validation, best 1.000": [[1, 3], [2, 1.5], [3, 1], [4, 1.2]],
    }


def test_ap_is_drawn_where_it_was_measured(run, shows):
    visualize.plot_training(run)
    ax = panels(shows[0])["AP of masks"]
    assert curves(ax) == {
        "AP, best 0.400": [[2, 0.2], [4, 0.4]],
        "AP50, best 0.800": [[2, 0.4], [4, 0.8]],
    }
    assert ax.get_ylim() == (0, 1)


def dots(ax):
    return [
        line.get_xydata().tolist()[0] for line in ax.lines if len(line.get_xdata()) == 1
    ]


def test_the_best_of_the_validation_has_a_dot_and_no_text_to_cover_curves(run, shows):
    visualize.plot_training(run)
    loss, ap = (panels(shows[0])[name] for name in ("loss", "AP of masks"))
    assert dots(loss) == [[3, 1]]
    assert dots(ap) == [[4, 0.4], [4, 0.8]]
    for ax, labels in (
        (loss, ["training", "validation, best 1.000"]),
        (ap, ["AP, best 0.400", "AP50, best 0.800"]),
    ):
        assert not ax.texts
        assert [text.get_text() for text in ax.get_legend().texts] == labels


def test_the_history_of_keras_is_drawn_too(shows):
    visualize.plot_training({"loss": [3, 2], "val_loss": [np.nan, 2.5]}, title="mine")
    assert shows[0].get_suptitle() == "mine"
    (ax,) = shows[0].axes
    expected = {"training": [[1, 3], [2, 2]], "validation, best 2.500": [[2, 2.5]]}
    assert curves(ax) == expected


def test_a_run_that_never_measured_anything_finite_is_drawn(shows):
    visualize.plot_training({"loss": [np.nan], "val_loss": [np.nan]})
    shows[0].canvas.draw()


def test_without_numbers_there_is_nothing_to_draw(tmp_path):
    with pytest.raises(ValueError, match=r"no losses among \['epoch'\]"):
        visualize.plot_training({})
    with pytest.raises(FileNotFoundError, match="no history"):
        visualize.plot_training(tmp_path)


def test_it_is_saved_without_being_shown(run, tmp_path, shows):
    visualize.plot_training(run, save_path=tmp_path / "curves.png")
    assert (tmp_path / "curves.png").exists() and shows == []
