"""PooledLoader: batches made ahead by threads or processes that cannot hang.

Why not the executors of concurrent.futures: ThreadPoolExecutor joins its threads when
the interpreter ends, so one that is stuck in `load_image` keeps it from ending;
ProcessPoolExecutor offers no way to kill one silent worker (before Python 3.14), and
its workers are no daemons. Only their `Future` is used.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import pickle
import queue
import signal
import sys
import threading
import traceback
import weakref
from collections.abc import Callable
from concurrent.futures import Future, wait

import numpy as np

from mrcnn.data.image_gt import image_label

Key = tuple[int, int]
# Seconds that a worker gets to end by itself before it is killed.
GRACE = 1.0


class WorkerDiedError(RuntimeError):
    """A worker process ended without an answer; `args` is how, and at which batch."""


class PooledLoader:
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
        self._lock = threading.Lock()
        self._planned: dict[Key, Future] = {}
        self._tasks: queue.SimpleQueue = queue.SimpleQueue()
        self._processes: list[_WorkerProcess] = []
        self._stop = weakref.finalize(
            self, _stop, os.getpid(), self._tasks, workers, self._processes
        )
        self._workers = workers
        makers: list[Callable] = [generator.make_batch] * workers
        if use_multiprocessing:
            # All processes before the first thread: a fork copies no running thread
            # of ours, and no lock that one holds.
            for _ in range(workers):
                self._processes.append(_WorkerProcess(generator, self._processes))
            makers = [process.make_batch for process in self._processes]
        for number, make_batch in enumerate(makers):
            threading.Thread(
                target=_work,
                args=(self._tasks, make_batch),
                name=f"PooledLoader-{number}",
                daemon=True,
            ).start()

    def get(self, epoch: int, index: int) -> dict[str, np.ndarray]:
        """Returns batch `index` of `epoch`, and lets the following ones be made.

        Raises:
            RuntimeError: a worker process died, or the loader is closed.
            TimeoutError: the batch was not ready in time; the loader closes.
            Exception: what making the batch raised, of the same type.
        """
        self._check_open()
        if not self._workers:
            return self.generator.make_batch(epoch, index)
        for process in self._processes:
            if not process.is_alive():
                self._fail(process.obituary(), process.key or (epoch, index))
        with self._lock:
            self._check_open()
            future = self._plan((epoch, index))
        wait([future], self.timeout)
        if not future.done():
            self.close()
            raise TimeoutError(
                f"PooledLoader: batch {index} of epoch {epoch} was not ready after "
                f"{self.timeout} s ({self._images((epoch, index))}). Look at "
                "load_image, load_mask and the augmentation for a dead lock, or for "
                "work that is that slow. train(workers=0) runs them in the main "
                "thread and waits for as long as they take."
            )
        try:
            return future.result()
        except WorkerDiedError as error:
            self._check_open()  # or another thread has closed, and ended it
            self._fail(*error.args)

    def close(self) -> None:
        """Ends all workers, whatever they do, and at once. May be called again.

        A thread cannot be ended from outside: it ends after the batch it is at.
        """
        with self._lock:
            for future in self._planned.values():
                future.cancel()
            self._planned.clear()
            self._stop()

    def __enter__(self) -> PooledLoader:
        """Returns the loader; leaving the block closes it."""
        return self

    def __exit__(self, *_) -> None:
        """Closes the loader."""
        self.close()

    def _check_open(self) -> None:
        """Raises if the loader has been closed."""
        if not self._stop.alive:
            raise RuntimeError("PooledLoader.get(): the loader is closed.")

    def _plan(self, key: Key) -> Future:
        """Returns the future of a batch; hands out it and its followers."""
        wanted = [key]
        while len(wanted) <= self.max_queue:
            epoch, index = wanted[-1]
            follower = (
                (epoch, index + 1)
                if index + 1 < len(self.generator)
                else (epoch + 1, 0)
            )
            if self.epochs is not None and follower[0] >= self.epochs:
                break
            wanted.append(follower)
        for stale in set(self._planned).difference(wanted):
            self._planned.pop(stale).cancel()
        for each in wanted:
            if each not in self._planned:
                self._planned[each] = Future()
                self._tasks.put((each, self._planned[each]))
        return self._planned.pop(key)

    def _images(self, key: Key) -> str:
        """Returns the names of a batch's images, for an error."""
        dataset = self.generator.dataset
        return "; ".join(
            image_label(dataset, i) for i in self.generator.image_ids_of(*key)
        )

    def _fail(self, what: str, key: Key) -> None:
        """Closes, and raises the error of a dead worker."""
        self.close()
        raise RuntimeError(
            f"PooledLoader: {what} at batch {key[1]} of epoch {key[0]} "
            f"({self._images(key)}). Out of memory, or killed from outside: pass "
            "workers=1 or use_multiprocessing=False to train(), and look at how much "
            "load_image and load_mask hold. Where processes are spawned, the script "
            "needs `if __name__ == '__main__':`."
        )


def _stop(owner: int, tasks: queue.SimpleQueue, workers: int, processes: list) -> None:
    """Ends workers; in a forked copy of the loader, does nothing."""
    if os.getpid() != owner:
        return
    for _ in range(workers):
        tasks.put(None)
    for process in processes:
        process.end()


def _work(tasks: queue.SimpleQueue, make_batch: Callable) -> None:
    """Loop of a thread: fulfils one promise after the other until None comes."""
    while (task := tasks.get()) is not None:
        _fulfil(*task, make_batch)
        del task  # a batch is large: do not hold it while waiting


def _fulfil(key: Key, future: Future, make_batch: Callable) -> None:
    """Makes a batch, or takes note of why not."""
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(make_batch(*key))
    except BaseException as error:
        future.set_exception(error)


class _WorkerProcess:
    """A process that makes batches, and the thread's end of the line to it."""

    def __init__(self, generator, others: list[_WorkerProcess]):
        forked = sys.platform.startswith("linux")
        context = multiprocessing.get_context("fork" if forked else "spawn")
        # The batch it is at; stays, when it dies, the one that it died of.
        self.key: Key | None = None
        self.died = False
        self.connection, remote = context.Pipe()
        # A fork inherits our ends of all lines. It has to close them, or it would not
        # notice that we are gone.
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
        if self.died:
            raise WorkerDiedError(self.obituary(), self.key)
        self.key = (epoch, index)
        try:
            self.connection.send(self.key)
            multiprocessing.connection.wait([self.connection, self.process.sentinel])
            if not self.connection.poll():
                raise EOFError
            batch, error, remote_traceback = self.connection.recv()
        except (EOFError, OSError):
            self.process.join(GRACE)
            self.died = True
            raise WorkerDiedError(self.obituary(), self.key) from None
        self.key = None
        if error is not None:
            raise error from _RemoteTracebackError(remote_traceback)
        return batch

    def is_alive(self) -> bool:
        """True while the process runs."""
        return self.process.is_alive()

    def obituary(self) -> str:
        """Returns how the process ended."""
        code = self.process.exitcode
        how = f"signal {-code}" if code is not None and code < 0 else f"code {code}"
        return f"worker process {self.process.pid} ended ({how})"

    def end(self) -> None:
        """Ends the process, gently if it is quick about it."""
        self.process.terminate()
        self.process.join(GRACE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join(GRACE)


class _RemoteTracebackError(Exception):
    """Shows, as the cause of an error, where it came from in a worker process."""

    def __str__(self) -> str:
        return f"in a worker process:\n{self.args[0]}"


def _serve(generator, connection, inherited: list) -> None:
    """Loop of a process: answers keys with batches until the line is cut."""
    for other in inherited:
        other.close()
    # Ctrl-C is for the parent; the parent's own handlers are not for us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    while True:
        try:
            key = connection.recv()
        except (EOFError, OSError):
            return
        try:
            answer = generator.make_batch(*key), None, ""
        except Exception as error:
            answer = None, _portable(error), traceback.format_exc()
        try:
            connection.send(answer)
        except (BrokenPipeError, ConnectionError):
            return


def _portable(error: Exception) -> Exception:
    """Returns the exception, or one that survives the journey and says the same."""
    try:
        if type(pickle.loads(pickle.dumps(error))) is type(error):
            return error
    except Exception:
        # Its constructor wants other arguments, or it holds what cannot be pickled.
        return RuntimeError(f"{type(error).__qualname__}: {error}")
    return RuntimeError(f"{type(error).__qualname__}: {error}")
