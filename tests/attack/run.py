"""Many changed files, read in children of one warm process; a program, since it forks.

Usage: ``python -m tests.attack.run SEEDS COUNT [TARGET …]``; prints a JSON object with, for each
target, how many files were read, refused, and what else happened. A child reads one file after
another, with limited memory and time; where it dies, the next one continues after the file.
"""

from __future__ import annotations

import json
import mmap
import os
import random
import resource
import shutil
import signal
import struct
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

import keras  # noqa: F401  (warm, but not used: TensorFlow's threads do not survive a fork)
import tensorflow  # noqa: F401

from deepattn.errors import DeepattnError

from .targets import TARGETS, Target

# Of the processor, and of the clock: other processes may keep the processor busy.
SECONDS, PATIENCE = 20, 300
MEMORY = 2 << 30
_STATE = struct.Struct("<QQQ")  # the next file; how many were read, and refused


def attack(name: str, seeds: Path, count: int) -> dict:
    """Read a good file, and then so many changed ones."""
    state = mmap.mmap(-1, _STATE.size)
    faults = []
    while _STATE.unpack(state[:])[0] <= count:
        with tempfile.TemporaryFile("w+") as log:
            child = os.fork()
            if child == 0:
                _child(name, seeds, count, state, log)
            _, status = os.waitpid(child, 0)
            log.seek(0)
            faults += [json.loads(line) for line in log]
        if status == 0:
            break
        number, *counts = _STATE.unpack(state[:])
        if os.WIFSIGNALED(status):
            faults.append([number, f"ended by {signal.Signals(os.WTERMSIG(status)).name}"])
        else:
            faults.append([number, f"ended with status {os.WEXITSTATUS(status)}"])
        state[:] = _STATE.pack(number + 1, *counts)
    _, read, refused = _STATE.unpack(state[:])
    return {"read": read, "refused": refused, "faults": faults}


def _child(name: str, seeds: Path, count: int, state: mmap.mmap, log) -> None:
    """Read files from where the state says; never returns."""
    target: Target = TARGETS[name]
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    quiet = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(quiet, stream)
    folder = Path(tempfile.mkdtemp())
    status = 1
    try:
        for number in range(_STATE.unpack(state[:])[0], count + 1):
            _, read, refused = _STATE.unpack(state[:])
            state[:] = _STATE.pack(number, read, refused)
            place = folder / str(number)
            place.mkdir()
            draw = random.Random(f"{name} {number}")
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            signal.alarm(PATIENCE)
            try:
                file = target.copy(seeds, place)
                if number:
                    target.spoil(file, draw)
                target.read(file)
                read += 1
            except DeepattnError as error:
                refused += 1
                if not number:  # the good file itself
                    print(json.dumps([0, f"refused: {error}"]), file=log, flush=True)
            except BaseException as error:
                last = traceback.extract_tb(error.__traceback__)[-1]
                words = f"{type(error).__name__}: {error} ({last.filename}:{last.lineno})"
                print(json.dumps([number, words[:600]]), file=log, flush=True)
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.alarm(0)
            state[:] = _STATE.pack(number + 1, read, refused)
            shutil.rmtree(place)
        status = 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(status)


def main(seeds: str, count: str, *names: str) -> None:
    """Attack the targets, in shares of ``count`` changes."""
    warnings.simplefilter("ignore")
    found = {}
    for name in names or TARGETS:
        number = max(int(count) * TARGETS[name].share // 100, 1)
        found[name] = attack(name, Path(seeds), number)
        spent = sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
        print(
            f"{spent:.1f} s",
            name,
            {**found[name], "faults": found[name]["faults"][:20]},
            file=sys.stderr,
        )
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
