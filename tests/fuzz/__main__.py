"""Runs damaged inputs in processes of their own, and lists those that fail.

    python -m tests.fuzz --cases 10000
    python -m tests.fuzz --kind coco --seed 123    # one case, with its traceback

A case is known by its kind and its seed: it is the same on every machine.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.fuzz.case import FAILURES, OUTCOMES, try_case

ROOT = Path(__file__).resolve().parents[2]
MAX_SECONDS = 10  # of the processor, a case
MAX_WAIT = 60  # where it waits for something
MAX_SETUP_SECONDS = 180  # the imports and good inputs of a kind
MAX_BYTES = 4 << 30  # above what the imports take
CHUNK = 50  # cases that a worker takes at a time
# Kind -> (module, share of the cases).
KINDS = {
    **{kind: ("annotations", 3) for kind in ("coco", "via", "labelme", "voc")},
    **{kind: ("annotations", 2) for kind in ("via_3", "mask_folders", "label_images")},
    "picture": ("pictures", 4),
    "weights": ("weights", 3),
    "arrays": ("array_calls", 3),
    "scores": ("score_calls", 3),
    "figures": ("figure_calls", 1),
    "model": ("model_calls", 2),
}


class Result(NamedTuple):
    """What came of one case."""

    kind: str
    seed: int
    outcome: str
    told: str
    text: str


def make_case(kind: str, seed: int, folder: Path):
    """Returns the case of a kind and a seed; it may write files into a folder."""
    module = __import__(f"tests.fuzz.{KINDS[kind][0]}", fromlist=["KINDS"])
    return module.KINDS[kind](Random(f"{kind} {seed}"), folder)


def work() -> None:
    """Reads "kind seed" lines, and answers each with the case and its outcome."""
    answers = os.fdopen(os.dup(1), "w")
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    ready: set[str] = set()
    for line in sys.stdin:
        kind, seed = line.split()
        if kind not in ready:
            _set_up(kind)
            ready.add(kind)
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
            case = make_case(kind, int(seed), Path(name))
            print(json.dumps(case.told), file=answers, flush=True)
            outcome = try_case(case)
            text = outcome.text.replace(name, "")[:2000]
        print(json.dumps([outcome.kind, text]), file=answers, flush=True)


def _set_up(kind: str) -> None:
    """Imports what a kind needs, then limits the memory to some more than that."""
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
    for seed in range(3):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
            try_case(make_case(kind, -1 - seed, Path(name)))
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MAX_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))


class Worker:
    """A process that runs cases, started anew when it dies or hangs."""

    def __init__(self):
        self.process = None

    def run(self, kind: str, seed: int) -> Result:
        """Returns the result of one case; a hang or crash is one."""
        if self.process is None:
            self._start()
        self.process.stdin.write(f"{kind} {seed}\n".encode())
        self.process.stdin.flush()
        told = self._answer(MAX_SETUP_SECONDS)
        if told is None:
            result = self._stop(kind, seed, "")
            raise RuntimeError(f"{kind} {seed} could not be made: {result.text}")
        outcome = self._answer(MAX_SECONDS)
        if outcome is None:
            return self._stop(kind, seed, told)
        return Result(kind, seed, outcome[0], told, outcome[1])

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "tests.fuzz", "--work"]

    def _start(self) -> None:
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            self._command(),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            bufsize=0,  # select does not see a line in a buffer
        )

    def _answer(self, seconds: float):
        """Returns the next line, or None where there is none in time.

        Time of the processor counts: a busy machine is no hang.
        """
        output, begin, waited = self.process.stdout, self._seconds(), 0
        while not select.select([output], [], [], 1)[0]:
            waited += 1
            if self._seconds() - begin > seconds or waited > MAX_WAIT:
                return None
        line = output.readline()
        return json.loads(line) if line else None

    def _seconds(self) -> float:
        """Returns the time of the processor that the worker has used."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        ticks = stat.rpartition(")")[2].split()[11:13]
        return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")

    def _stop(self, kind: str, seed: int, told: str) -> Result:
        """Ends the process; returns the result of the case that it died of."""
        time.sleep(0.1)
        code = self.process.poll()
        self.close()
        self.errors.seek(0)
        last = self.errors.read().decode(errors="replace")[-1500:]
        outcome = "hang" if code is None else "crash"
        return Result(kind, seed, outcome, told, f"exit code {code}: {last}")

    def close(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.communicate()
            self.process = None


def plan(cases: int, kinds: list[str], first: int) -> list[tuple[str, range]]:
    """Returns (kind, seeds) in chunks, shares as KINDS says, slow kinds first."""
    total = sum(KINDS[kind][1] for kind in kinds)
    chunks = []
    for kind in sorted(kinds, key=lambda kind: KINDS[kind][0], reverse=True):
        seeds = range(first, first + max(1, cases * KINDS[kind][1] // total))
        chunks += [(kind, seeds[i : i + CHUNK]) for i in range(0, len(seeds), CHUNK)]
    return chunks


def run(cases: int, kinds=tuple(KINDS), first: int = 0, workers: int = 2):
    """Returns the results of cases of some kinds, run by worker processes."""
    waiting: queue.SimpleQueue = queue.SimpleQueue()
    for chunk in plan(cases, list(kinds), first):
        waiting.put(chunk)
    results: list[Result] = []

    def serve(_):
        worker = Worker()
        try:
            while True:
                kind, seeds = waiting.get_nowait()
                results.extend(worker.run(kind, seed) for seed in seeds)
        except queue.Empty:
            pass
        finally:
            worker.close()

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(serve, range(workers)))  # raises what a thread raised
    return results


def report(results: list[Result]) -> str:
    """Returns the failures, then a table of kind x outcome."""
    failed = [r for r in results if r.outcome in FAILURES]
    lines = [
        f"{r.outcome}: --kind {r.kind} --seed {r.seed}\n    {r.told}\n    {r.text}"
        for r in failed
    ]
    counts = Counter((r.kind, r.outcome) for r in results)
    lines.append("".join(f"{word:>14}" for word in ("", *OUTCOMES)))
    for kind in dict.fromkeys(r.kind for r in results):
        row = [f"{counts[kind, outcome]:>14}" for outcome in OUTCOMES]
        lines.append(f"{kind:>14}" + "".join(row))
    lines.append(f"{len(failed)} of {len(results)} cases failed")
    return "\n".join(lines)


def replay(kind: str, seed: int) -> int:
    """Runs one case in this process; prints it and its traceback."""
    with tempfile.TemporaryDirectory() as folder:
        case = make_case(kind, seed, Path(folder))
        print(case.told)
        outcome = try_case(case)
        print(f"{outcome.kind}: {outcome.text}")
        if outcome.kind in ("raw", "memory"):
            case.call()
    return outcome.kind in FAILURES


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=500, help="how many")
    parser.add_argument("--first", type=int, default=0, help="seed of the first case")
    parser.add_argument("--kind", choices=list(KINDS), action="append")
    parser.add_argument("--seed", type=int, help="replay this case of --kind")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.work:
        work()
        return 0
    if args.seed is not None:
        return replay(args.kind[0], args.seed)
    begin = time.monotonic()
    kinds = args.kind or list(KINDS)
    results = run(args.cases, kinds, args.first, args.workers)
    print(report(results), f"in {time.monotonic() - begin:.0f} s")
    return int(any(r.outcome in FAILURES for r in results))


if __name__ == "__main__":
    sys.exit(main())
