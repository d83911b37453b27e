"""An image that can't be loaded is left out and named; too many are an error."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest

from mrcnn.data import BadDataError, InMemoryDataset
from mrcnn.model import EvaluationCallback
from tests.engine.tiny import (
    BrokenMaskDataset,
    PlannedError,
    Spy,
    TinyDataset,
    assert_same_weights,
    fail,
    make_trainer,
    train,
    weights_of,
)

pytestmark = pytest.mark.usefixtures("eager")
NAMED = r"left out.*LookupError: annotation broken \(image id 5, path folder/5.png\)"


def told(record):
    return [str(w.message) for w in record if "left out" in str(w.message)]


def trained(folder, dataset, **kwargs):
    """Losses of two epochs of one pass, and what was said."""
    trainer = make_trainer(folder, STEPS_PER_EPOCH=None)
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        history = train(trainer, dataset, epochs=2, **kwargs)
    assert int(trainer.keras_model.optimizer.iterations) == 8
    return history.history["loss"], told(record)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    from tests.engine.tiny import eagerly

    with eagerly():
        return trained(tmp_path_factory.mktemp("plain"), BrokenMaskDataset(), workers=0)


def test_a_broken_image_is_named_once_and_listed_at_the_end(tmp_path, plain, caplog):
    losses, said = trained(tmp_path, BrokenMaskDataset(), workers=0)
    assert np.all(np.isfinite(losses)) and losses == plain[0]
    assert len(said) == 1 and re.search(NAMED, said[0])
    assert "ON_DATA_ERROR" in said[0] and "validate()" in said[0]
    (listed,) = [r.message for r in caplog.records if "left out" in r.message]
    assert "1 of 8 images" in listed and "folder/5.png" in listed


@pytest.mark.parametrize("how", ["threads", "processes", "in memory"])
def test_the_loader_changes_nothing(tmp_path, plain, how):
    data = BrokenMaskDataset()
    data = InMemoryDataset(data) if how == "in memory" else data
    kwargs = {"workers": 2, "use_multiprocessing": how == "processes"}
    losses, said = trained(tmp_path, data, **kwargs)
    assert losses == plain[0]
    assert len(said) == 1 and re.search(NAMED, said[0])


@pytest.mark.filterwarnings("ignore:.*left out")
def test_a_resumed_run_takes_the_same_images_in_its_place(tmp_path):
    def run(folder, at=None):
        trainer = make_trainer(folder, STEPS_PER_EPOCH=None)
        spy = Spy(at={at: fail})
        data, kwargs = BrokenMaskDataset(), {"custom_callbacks": [spy], "resume": True}
        train(trainer, data, epochs=2, **kwargs)
        return weights_of(trainer.keras_model)

    whole = run(tmp_path / "whole")
    with pytest.raises(PlannedError):
        run(tmp_path / "killed", ("batch", 1, 2))
    assert_same_weights(whole, run(tmp_path / "killed"))


@pytest.mark.parametrize("bad", [(1, 2, 3), range(8)])
def test_more_than_a_quarter_is_an_error_that_names_them(tmp_path, bad):
    class Bad(TinyDataset):
        def load_image(self, image_id):
            if image_id in bad:
                raise OSError("cut off")
            return super().load_image(image_id)

    trainer = make_trainer(tmp_path, STEPS_PER_EPOCH=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises((BadDataError, OSError)) as error:
            train(trainer, Bad(), epochs=2)
    text = str(error.value)
    if len(bad) < 8:
        assert error.type is BadDataError and "3 of 8 images" in text
        assert "more than a quarter" in text
        for image_id in bad:
            assert f"OSError: cut off (image id {image_id}, path" in text
    else:
        assert error.type is OSError and "each of 7 images tried in its place" in text


def test_a_broken_image_in_validation_and_evaluation_is_told(tmp_path):
    trainer, val = make_trainer(tmp_path, STEPS_PER_EPOCH=1), BrokenMaskDataset()
    callback = EvaluationCallback(trainer, val, verbose=0)
    with pytest.warns(UserWarning) as record:
        history = train(trainer, TinyDataset(), val, custom_callbacks=[callback])
    assert np.isfinite(history.history["val_loss"]).all()
    said = [str(w.message) for w in record]
    assert any("train(val_dataset)" in text and "folder/5.png" in text for text in said)
    (text,) = [text for text in said if text.startswith("evaluate()")]
    assert "1 of 8 images" in text and "the numbers are of the other 7" in text
    assert "image id 5: LookupError: annotation broken" in text
    assert len(callback.result.records) == 7


def test_an_evaluation_that_is_to_raise_does(tmp_path):
    trainer = make_trainer(tmp_path, STEPS_PER_EPOCH=1, ON_DATA_ERROR="raise")
    callback = EvaluationCallback(trainer, BrokenMaskDataset(), verbose=0)
    with pytest.raises(LookupError, match="annotation broken"):
        train(trainer, TinyDataset(), custom_callbacks=[callback])
