from __future__ import annotations

import os
import signal
import threading
import time

import numpy as np
import pytest
from imgaug import augmenters as iaa

from mrcnn.data import pooled_loader
from mrcnn.data.generator import DataGenerator
from mrcnn.data.pooled_loader import PooledLoader
from tests.data.tiny import (
    LOADER_KINDS,
    BrokenMaskDataset,
    DeadlyDataset,
    StuckDataset,
    TinyConfig,
    TinyDataset,
    assert_same_batch,
    wait_until,
)

PROCESSES = {"workers": 2, "use_multiprocessing": True}
each_kind = pytest.mark.parametrize("kind", LOADER_KINDS)


def make(dataset=None, **kwargs):
    kwargs = {"shuffle": False, **kwargs}
    dataset = TinyDataset() if dataset is None else dataset
    return DataGenerator(dataset, TinyConfig(), **kwargs)


def threads():
    return [t for t in threading.enumerate() if t.name.startswith("PooledLoader")]


@pytest.fixture(autouse=True)
def no_worker_is_left():
    yield
    assert wait_until(lambda: not threads(), 5)


@each_kind
def test_batches_do_not_depend_on_who_makes_them(kind):
    augmentation = iaa.Sequential([iaa.Fliplr(0.5), iaa.Affine(rotate=(-20, 20))])
    generator = make(shuffle=True, augmentation=augmentation, seed=5)
    keys = [(epoch, index) for epoch in range(2) for index in range(4)]
    with PooledLoader(generator, **LOADER_KINDS[kind]) as loader:
        for key in keys:
            assert_same_batch(loader.get(*key), generator.make_batch(*key))
        for key in [(0, 0), (0, 1), (0, 0), (7, 3), (2, 2), (7, 3)]:  # any order
            assert_same_batch(loader.get(*key), generator.make_batch(*key))


class CountingGenerator:
    """Stands in for a DataGenerator: says which batches were made, and when."""

    def __init__(self, length=4, seconds=0.0):
        self.length = length
        self.seconds = seconds
        self.made = []

    def __len__(self):
        return self.length

    def make_batch(self, epoch, index):
        time.sleep(self.seconds)
        self.made.append((epoch, index))
        return {"key": np.array([epoch, index])}


def test_next_batches_are_made_ahead_in_order_and_into_the_next_epoch():
    generator = CountingGenerator()
    with PooledLoader(generator, workers=1, max_queue=3) as loader:
        time.sleep(0.05)
        assert generator.made == []  # nothing before it is known where to start
        loader.get(0, 2)
        ahead = [(0, 2), (0, 3), (1, 0), (1, 1)]
        assert wait_until(lambda: len(generator.made) == 4)
        time.sleep(0.05)
        assert generator.made == ahead  # and no further
        assert loader.get(0, 3)["key"].tolist() == [0, 3]
        assert wait_until(lambda: len(generator.made) == 5)
        assert generator.made[4] == (1, 2)  # each is made once


def test_nothing_is_made_beyond_the_last_epoch():
    generator = CountingGenerator()
    with PooledLoader(generator, workers=2, max_queue=8, epochs=1) as loader:
        for index in range(4):
            loader.get(0, index)
        time.sleep(0.05)
    assert sorted(generator.made) == [(0, 0), (0, 1), (0, 2), (0, 3)]


def test_window_moves_when_another_epoch_is_asked_for():
    generator = CountingGenerator(length=50, seconds=0.02)
    with PooledLoader(generator, workers=1, max_queue=20) as loader:
        loader.get(0, 0)
        loader.get(3, 10)
        assert (0, 20) not in generator.made  # was planned, and is dropped


def test_workers_work_at_the_same_time():
    generator = CountingGenerator()
    barrier = threading.Barrier(4)  # opens when four batches are being made at once
    generator.make_batch = lambda epoch, index: barrier.wait(20)
    with PooledLoader(generator, workers=4, max_queue=3, epochs=1) as loader:
        assert {loader.get(0, index) for index in range(4)} == {0, 1, 2, 3}


def test_several_callers_share_a_loader():
    generator = make()
    results = {}
    with PooledLoader(generator, workers=2) as loader:

        def caller(index):
            results[index] = loader.get(0, index)

        callers = [threading.Thread(target=caller, args=(i,)) for i in range(4)]
        for each in callers:
            each.start()
        for each in callers:
            each.join()
    for index in range(4):
        assert_same_batch(results[index], generator.make_batch(0, index))


@each_kind
@pytest.mark.parametrize(
    "error", [LookupError("annotation broken"), KeyError("annotation broken")]
)
def test_error_keeps_its_type_and_names_the_image(kind, error):
    dataset = BrokenMaskDataset()
    dataset.error = error
    with PooledLoader(make(dataset), **LOADER_KINDS[kind]) as loader:
        for index in range(2):
            loader.get(0, index)  # the broken batch is being made ahead
        with pytest.raises(type(error)) as caught:
            loader.get(0, 2)
        assert type(caught.value) is type(error)
        message = str(caught.value)
        assert "annotation broken (image id 7, path folder/7.png)" in message
        assert loader.get(0, 3)["input_image"].shape[0] == 3  # others are not lost


def test_error_from_a_process_shows_where_it_came_from():
    with PooledLoader(make(BrokenMaskDataset()), **PROCESSES) as loader:
        with pytest.raises(LookupError) as caught:
            loader.get(0, 2)
    assert "in load_mask" in str(caught.value.__cause__)


class TwoArgumentsError(Exception):
    def __init__(self, what, where):
        super().__init__(f"{what} at {where}")


def test_error_that_cannot_travel_arrives_as_runtime_error():
    dataset = BrokenMaskDataset()
    dataset.error = TwoArgumentsError("broken", "line 3")
    with PooledLoader(make(dataset), **PROCESSES) as loader:
        with pytest.raises(RuntimeError, match="TwoArgumentsError: broken at line 3"):
            loader.get(0, 2)


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_worker_ends_with_an_error_that_names_the_images(workers):
    generator = make(DeadlyDataset())
    loader = PooledLoader(generator, workers, use_multiprocessing=True, timeout=30)
    start = time.monotonic()
    with pytest.raises(
        RuntimeError,
        match=r"signal 9.*batch 2 of epoch 0.*image id 7, path folder/7.*workers=1",
    ):
        for index in range(4):
            loader.get(0, index)
    assert time.monotonic() - start < 5
    with pytest.raises(RuntimeError, match="closed"):
        loader.get(0, 0)


def test_worker_killed_while_it_is_idle_is_noticed():
    with PooledLoader(make(), **PROCESSES, epochs=1) as loader:
        for index in range(4):
            loader.get(0, index)
        process = loader._processes[0].process
        os.kill(process.pid, signal.SIGKILL)
        process.join(5)
        with pytest.raises(RuntimeError, match=r"signal 9"):
            loader.get(0, 0)


@pytest.mark.parametrize("kind", ["one thread", "two processes"])
def test_silence_ends_with_a_timeout_that_names_the_images(kind):
    dataset = StuckDataset()
    stuck = threading.Event()
    if kind == "one thread":  # a thread cannot be ended: let it out afterwards

        def load_mask(image_id):
            if image_id == 7:
                stuck.wait(30)
            return TinyDataset.load_mask(dataset, image_id)

        dataset.load_mask = load_mask
    loader = PooledLoader(make(dataset), timeout=2, **LOADER_KINDS[kind])
    loader.get(0, 0)
    start = time.monotonic()
    with pytest.raises(
        TimeoutError,
        match=r"batch 2 of epoch 0.*after 2 s.*image id 7, path.*workers=0",
    ):
        loader.get(0, 2)
    assert time.monotonic() - start < 8
    stuck.set()


@pytest.mark.parametrize("kind", ["in the caller", "one thread", "two processes"])
def test_close_is_prompt_and_may_be_repeated(kind):
    loader = PooledLoader(make(), max_queue=20, **LOADER_KINDS[kind])
    loader.get(0, 0)
    processes = [p.process for p in loader._processes]
    start = time.monotonic()
    loader.close()
    loader.close()
    assert time.monotonic() - start < 2
    assert all(p.exitcode is not None for p in processes)
    with pytest.raises(RuntimeError, match="closed"):
        loader.get(0, 0)


def test_exit_codes_are_known_after_close_whoever_collects_them(monkeypatch):
    waitpid = os.waitpid

    def slow_waitpid(pid, options):
        result = waitpid(pid, options)
        time.sleep(0.2 if result[0] else 0)  # ended: a second thread may ask now
        return result

    monkeypatch.setattr(os, "waitpid", slow_waitpid)
    loader = PooledLoader(make(), max_queue=20, **PROCESSES)
    loader.get(0, 0)
    processes = [p.process for p in loader._processes]
    loader.close()
    assert [p.exitcode for p in processes] == [-signal.SIGKILL] * 2


def test_close_ends_a_caller_that_waits():
    generator = CountingGenerator(seconds=0.3)
    loader = PooledLoader(generator, workers=1, max_queue=3)
    loader.get(0, 0)
    caught = []

    def caller():
        try:
            loader.get(2, 0)
        except RuntimeError as error:
            caught.append(str(error))

    thread = threading.Thread(target=caller)
    thread.start()
    time.sleep(0.05)
    loader.close()
    thread.join(5)
    # Closed before the batch was begun, or while it was made and then delivered.
    assert not thread.is_alive()
    assert all("closed" in message for message in caught)


def test_forgotten_loader_ends_its_workers():
    loader = PooledLoader(make(), **PROCESSES)
    loader.get(0, 0)
    processes = [p.process for p in loader._processes]
    del loader
    assert wait_until(lambda: all(p.exitcode is not None for p in processes))


@pytest.mark.parametrize(
    ("kwargs", "said"),
    [
        ({"workers": -1}, "workers=-1"),
        ({"max_queue": 0}, "max_queue=0"),
        ({"timeout": 0}, "timeout=0"),
    ],
)
def test_impossible_numbers_are_refused(kwargs, said):
    with pytest.raises(ValueError, match=said):
        PooledLoader(make(), **kwargs)


def test_spawned_workers_give_the_same_batches(monkeypatch):
    monkeypatch.setattr(pooled_loader.sys, "platform", "darwin")
    generator = make()
    with PooledLoader(generator, workers=1, use_multiprocessing=True) as loader:
        assert_same_batch(loader.get(0, 1), generator.make_batch(0, 1))


def test_data_set_that_cannot_be_spawned_is_refused(monkeypatch):
    class Local(TinyDataset):
        pass

    monkeypatch.setattr(pooled_loader.sys, "platform", "darwin")
    with pytest.raises(TypeError, match="use_multiprocessing=True.*top of a module"):
        PooledLoader(make(Local()), **PROCESSES)
