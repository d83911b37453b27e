"""PooledLoader: batches made ahead of time by threads or processes that cannot hang.

Why not the executors of concurrent.futures: Python waits at its end for the threads of
a ThreadPoolExecutor, also for one that is stuck in `load_image`. A ProcessPoolExecutor
cannot kill a stuck worker (before Python 3.14), does not say which batch a dead one was
making, takes an error that cannot be unpickled for the end of all workers, and leaves
its workers running when the program is killed. Only the class `Future` is used.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import multiprocessing.connection
import os
import pickle
import queue
import signal
import sys
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future, wait
from multiprocessing.pool import ExceptionWithTraceback

import numpy as np

Key = tuple[int, int]
# Seconds to wait for the end of a process that was killed, or that fell silent.
GRACE = 1.0


class PooledLoader(contextlib.AbstractContextManager):
    """Gives the batches of a generator in any order, and makes the next ones ahead.

    Which worker makes a batch, and when, changes nothing: a batch is a pure function
    of (epoch, index). After a batch was asked for, the `max_queue` batches that follow
    are made too, across the end of the epoch, up to the end of the last one.

    What goes wrong comes out of `get`: an exception in a worker with its own type and
    text, the death of a worker as RuntimeError, silence as TimeoutError. The workers
    are daemons: no error, and no forgotten `close()`, keeps the interpreter from
    ending.
    """

    def __init__(
        self,
        generator,
        workers: int = 1,
        use_multiprocessing: bool = False,
        max_queue: int = 4,
        timeout: float | None = 600.0,
        epochs: int | None = None,
    ):
        """Starts the workers; they wait for the first `get`.

        Args:
            generator: a DataGenerator.
            workers: number of workers; 0 makes each batch when it is asked for.
            use_multiprocessing: processes instead of threads. They are forked on
                Linux; elsewhere they are spawned, and the data set must be picklable.
            max_queue: number of batches made ahead, which are held in memory.
            timeout: seconds that `get` waits for a batch; None waits for ever.
            epochs: number of epochs that will be asked for: nothing is made ahead
                from there on. None: there is always a next one.
        """
        for name, value, least in (
            ("workers", workers, 0),
            ("max_queue", max_queue, 1),
            ("timeout", 1 if timeout is None else timeout, 1e-3),
        ):
            if value < least:
                raise ValueError(
                    f"PooledLoader({name}={value}): must be {least} or more."
                )
        self.generator = generator
        self.max_queue = max_queue
        self.timeout = timeout
        self.epochs = epochs
        self._workers = workers
        self._lock = threading.RLock()
        self._planned: dict[Key, Future] = {}
        self._tasks: queue.SimpleQueue = queue.SimpleQueue()
        self._processes: list[_WorkerProcess] = []
        self._stop = weakref.finalize(
            self, _stop, os.getpid(), self._tasks, workers, self._processes
        )
        if use_multiprocessing:
            # All processes before the first thread: a fork copies no running thread
            # of ours, and no lock that one holds.
            for _ in range(workers):
                self._processes.append(_WorkerProcess(generator, self._processes))
        for number, maker in enumerate(self._processes or [generator] * workers):
            threading.Thread(
                target=_work,
                args=(self._tasks, maker.make_batch),
                name=f"PooledLoader-{number}",
                daemon=True,
            ).start()

    def get(self, epoch: int, index: int) -> dict[str, np.ndarray]:
        """Returns batch `index` of `epoch`, and has the following ones made.

        Raises:
            RuntimeError: a worker process died, or the loader is closed.
            TimeoutError: the batch was not ready in time; the loader closes.
            Exception: what making the batch raised, of the same type.
        """
        key = epoch, index
        with self._lock:
            self._check_workers(key)
            future = self._plan(key) if self._workers else None
        if future is None:
            return self.generator.make_batch(epoch, index)
        wait([future], self.timeout)
        if not future.done():
            self.close()
            images = self.generator.image_labels(*key)
            raise TimeoutError(
                f"PooledLoader: batch {index} of epoch {epoch} was not ready after "
                f"{self.timeout} s ({images}). Look at load_image, "
                "load_mask and the augmentation for a dead lock, or for work that is "
                "that slow. train(workers=0) runs them in the main thread and waits "
                "for as long as they take."
            )
        if future.exception() is not None:
            with self._lock:
                self._check_workers(key)
        return future.result()

    def close(self) -> None:
        """Ends all workers at once, whatever they are doing. May be called again.

        A thread cannot be ended from outside: it ends after the batch that it makes.
        """
        with self._lock:
            for future in self._planned.values():
                future.cancel()
            self._planned.clear()
            self._stop()

    def __exit__(self, *_) -> None:
        """Closes the loader."""
        self.close()

    def _check_workers(self, key: Key) -> None:
        """Raises if the loader is closed; closes it and raises if a process died."""
        if not self._stop.alive:
            raise RuntimeError("PooledLoader.get(): the loader is closed.")
        for worker in self._processes:
            if not worker.has_ended():
                continue
            self.close()  # collects the exit codes
            epoch, index = worker.key or key
            images = self.generator.image_labels(epoch, index)
            code = worker.process.exitcode
            raise RuntimeError(
                f"PooledLoader: worker process {worker.process.pid} ended "
                f"({f'signal {-code}' if code < 0 else f'code {code}'}) at batch "
                f"{index} of epoch {epoch} ({images}). Out of "
                "memory, or killed from outside: pass workers=1 or "
                "use_multiprocessing=False to train(), and look at how much load_image "
                "and load_mask hold. Where processes are spawned, the script needs "
                "`if __name__ == '__main__':`."
            )

    def _plan(self, key: Key) -> Future:
        """Returns the future of a batch; has it and the following ones made."""
        length = len(self.generator)
        position = key[0] * length + key[1]
        end = math.inf if self.epochs is None else self.epochs
        following = (divmod(position + i + 1, length) for i in range(self.max_queue))
        wanted = [key, *(each for each in following if each[0] < end)]
        for stale in set(self._planned).difference(wanted):
            self._planned.pop(stale).cancel()
        for each in wanted:
            if each not in self._planned:
                self._planned[each] = Future()
                self._tasks.put((each, self._planned[each]))
        return self._planned.pop(key)


def _stop(owner: int, tasks: queue.SimpleQueue, workers: int, processes: list) -> None:
    """Ends workers; in a forked copy of the loader, does nothing."""
    if os.getpid() != owner:
        return
    for _ in range(workers):
        tasks.put(None)
    for worker in processes:
        worker.process.kill()
    for worker in processes:
        worker.process.join(GRACE)


def _work(tasks: queue.SimpleQueue, make_batch: Callable) -> None:
    """Loop of a thread: makes the batches that are asked for until None comes."""
    while (task := tasks.get()) is not None:
        key, future = task
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(make_batch(*key))
            except BaseException as error:
                future.set_exception(error)
        del task, future  # a batch is large: do not hold it while waiting


class _WorkerProcess:
    """A process that makes batches, and the connection of a thread to it."""

    def __init__(self, generator, others: list[_WorkerProcess]):
        forked = sys.platform.startswith("linux")
        context = multiprocessing.get_context("fork" if forked else "spawn")
        # The batch that is being made; of a dead process, the one that it died at.
        self.key: Key | None = None
        self.connection, remote = context.Pipe()
        # A fork inherits our ends of all connections. It has to close them, or it would
        # not notice that we have ended.
        ours = [other.connection for other in others] + [self.connection]
        self.process = context.Process(
            target=_serve,
            args=(generator, remote, ours if forked else []),
            daemon=True,
        )
        try:
            self.process.start()
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise TypeError(
                "PooledLoader(use_multiprocessing=True): data set, config or "
                f"augmentation cannot be sent to a process ({error}); define their "
                "classes at the top of a module, or use use_multiprocessing=False."
            ) from error
        finally:
            remote.close()

    def make_batch(self, epoch: int, index: int) -> dict[str, np.ndarray]:
        """Returns a batch made by the process, or raises what it raised."""
        if not self.has_ended():
            self.key = epoch, index
        try:
            self.connection.send((epoch, index))
            answer = self.connection.recv()
        except (EOFError, OSError):
            self.has_ended(GRACE)  # `get` then says so
            raise
        self.key = None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def has_ended(self, seconds: float = 0) -> bool:
        """Returns True when the process has ended, after waiting so long at most.

        Does not collect the exit code: that is done under the loader's lock alone. Of
        two threads that ask for it at once, one gets None.
        """
        return bool(multiprocessing.connection.wait([self.process.sentinel], seconds))


def _serve(generator, connection, inherited: list) -> None:
    """Loop of a process: answers keys with batches or errors until the parent ends."""
    for other in inherited:
        other.close()
    # Ctrl-C is for the parent; the parent's own handlers are not for us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with contextlib.suppress(EOFError, OSError):
        while True:
            key = connection.recv()
            try:
                answer = generator.make_batch(*key)
            except Exception as error:
                answer = ExceptionWithTraceback(_picklable(error), error.__traceback__)
            connection.send(answer)


def _picklable(error: Exception) -> Exception:
    """Returns the exception, or a RuntimeError of its text if it cannot be pickled."""
    with contextlib.suppress(Exception):  # its constructor may want other arguments
        if type(pickle.loads(pickle.dumps(error))) is type(error):
            return error
    return RuntimeError(f"{type(error).__qualname__}: {error}")
