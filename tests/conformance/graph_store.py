"""Graphs of the option matrix that DeePMD-kit made, and its results for them."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from . import systems
from .deepmd_kit import INSIDE, DeepmdKit, read_cases, run_inside, write_cases
from .graphs import GRAPHS, TABLE, GraphOptions, cases_for

NPROCESSES = min(2, os.cpu_count() or 1)


@dataclass(frozen=True)
class ForeignGraph:
    """A frozen graph of DeePMD-kit and DeePMD-kit's own results for it."""

    path: Path
    options: GraphOptions
    deepmd: DeepmdKit
    cases: dict[str, dict[str, np.ndarray]]
    reference: dict[str, dict[str, np.ndarray]]


@dataclass
class GraphStore:
    """Makes the graphs of DeePMD-kit, all missing ones in one go, and keeps them by content."""

    folder: Path
    made: set[str] = field(default_factory=set)

    def get(self, deepmd: DeepmdKit, name: str) -> ForeignGraph:
        options = TABLE[name]
        if deepmd.name not in self.made:
            self.folder.mkdir(parents=True, exist_ok=True)
            with open(self.folder / f"{deepmd.name}.lock", "w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)  # parallel test workers share the folder
                self._make_missing(deepmd)
            self.made.add(deepmd.name)
        home = self._home(deepmd, options)
        return ForeignGraph(
            path=home / "frozen.pb",
            options=options,
            deepmd=deepmd,
            cases=cases_for(options, deepmd),
            reference=read_cases(home / "reference.npz"),
        )

    def _home(self, deepmd: DeepmdKit, options: GraphOptions) -> Path:
        digest = hashlib.sha256()
        digest.update(json.dumps([deepmd.version, options.interface, options.model]).encode())
        digest.update(json.dumps(options.input([])).encode())
        for case in cases_for(options, deepmd).values():
            for value in case.values():
                digest.update(value.tobytes())
        for source in (systems.__file__, INSIDE / "make_graphs.py", INSIDE / "evaluate.py"):
            digest.update(Path(source).read_bytes())
        return self.folder / f"{deepmd.name}-{options.name}-{digest.hexdigest()[:16]}"

    def _make_missing(self, deepmd: DeepmdKit) -> None:
        wanted = [options for options in GRAPHS if deepmd.name in options.versions]
        # "high" is the default: other programs then run in the same server of processes.
        for interface, env in (("high", {}), ("low", {"DP_INTERFACE_PREC": "low"})):
            missing = [
                options
                for options in wanted
                if options.interface == interface and not self._home(deepmd, options).exists()
            ]
            if missing:
                self._make(deepmd, missing, env)

    def _make(self, deepmd: DeepmdKit, missing: list[GraphOptions], env: dict[str, str]) -> None:
        with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
            work = Path(scratch)
            data = systems.write_training_data(work / "data")
            jobs = []
            for options in missing:
                home = work / options.name
                home.mkdir()
                (home / "input.json").write_text(json.dumps(options.input(data), indent=1))
                write_cases(home / "cases.npz", cases_for(options, deepmd))
                jobs.append(
                    {
                        "model": str(home / "frozen.pb"),
                        "cases": str(home / "cases.npz"),
                        "output": str(home / "reference.npz"),
                    }
                )
            folders = [str(work / options.name) for options in missing]
            with ThreadPoolExecutor(NPROCESSES) as pool:  # threads that wait for processes
                for script, tasks in (("make_graphs.py", folders), ("evaluate.py", jobs)):
                    shares = [tasks[start::NPROCESSES] for start in range(NPROCESSES)]
                    running = [
                        pool.submit(run_inside, deepmd, script, share, work, env=env)
                        for share in shares
                        if share
                    ]
                    for process in running:
                        process.result()
            for options in missing:
                home = self._home(deepmd, options)
                parts = home.with_suffix(f".{os.getpid()}")
                parts.mkdir()
                for name in ("frozen.pb", "input.json", "reference.npz"):
                    shutil.copy(work / options.name / name, parts / name)
                parts.rename(home)
