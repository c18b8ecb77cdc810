"""Time to the first step and memory of a training on very many frames.

    python benchmarks/big_data.py [--frames 2000000] [--layout npy lmdb] [--folder /tmp]

Writes frames of 8 to 20 atoms of four elements in a folder of its own below ``--folder`` (about
1 kB a frame, a layout at a time), trains a tiny DPA-1 on them for a few steps, with and without
``--skip-neighbor-stat``, and removes the folder. *Processor* is the processor time until the first
step, which other work on the machine changes least. Of the process's memory two numbers are taken
ten times a second, and the largest given: *private*, which the process has claimed, and *resident*,
which also counts pages of the mapped data files; the system takes those back when it needs the
room. Prints a Markdown table and writes the results as JSON.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from processes import machine, with_threads

ELEMENTS = ["H", "C", "O", "Cu"]
_CELL = 9.0
_ATOMS = range(8, 21)
_FRAMES_IN_A_SET = 10_000
_STEPS = 5
_MEMORY = {"private": re.compile(r"RssAnon:\s+(\d+)"), "resident": re.compile(r"VmRSS:\s+(\d+)")}


@dataclass(frozen=True)
class Run:
    """One training: seconds and seconds of processor to the first step, peaks of memory in MiB."""

    layout: str
    options: str
    frames: int
    first_step: float
    processor: float
    private: float
    resident: float


def make_frames(count: int, natoms: int, seed: int) -> dict[str, np.ndarray]:
    """Random frames: atoms near the points of a grid, so that none come close."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), -1).reshape(-1, 3) * 3.0
    chosen = np.argsort(rng.random((count, len(grid))), axis=1)[:, :natoms]
    coord = grid[chosen] + rng.uniform(-0.5, 0.5, (count, natoms, 3))
    types = rng.integers(0, len(ELEMENTS), (count, natoms))
    return {
        "coord": coord.reshape(count, -1).astype(np.float32),
        "box": np.tile(np.eye(3, dtype=np.float32).ravel() * _CELL, (count, 1)),
        "real_atom_types": types.astype(np.int32),
        "energy": -(types + 1.0).sum(axis=1) + rng.normal(0, 0.1, count),
        "force": rng.normal(size=(count, 3 * natoms)).astype(np.float32),
    }


def pieces(frames: int) -> Iterator[tuple[int, int, dict[str, np.ndarray]]]:
    """Number of atoms, number of the set among those of this size, and frames of a set."""
    each = -(-frames // len(_ATOMS))
    for natoms in _ATOMS:
        for place, first in enumerate(range(0, each, _FRAMES_IN_A_SET)):
            count = min(_FRAMES_IN_A_SET, each - first)
            yield natoms, place, make_frames(count, natoms, seed=1000 * natoms + place)


def write_npy(folder: Path, frames: int) -> Path:
    """Mixed-type systems, one for each number of atoms; returns what ``systems`` is to name."""
    for natoms, place, arrays in pieces(frames):
        system = folder / f"{natoms:02d}"
        part = system / f"set.{place:04d}"
        part.mkdir(parents=True)
        (system / "type.raw").write_text("0\n" * natoms)
        (system / "type_map.raw").write_text("\n".join(ELEMENTS) + "\n")
        for name, array in arrays.items():
            np.save(part / f"{name}.npy", array)
    return folder


def write_lmdb(folder: Path, frames: int) -> Path:
    """One environment with all frames, as dpdata writes it; returns its path."""
    folder.mkdir()
    path = folder / "data.lmdb"
    import lmdb
    import msgpack

    names = {
        "coord": "coords",
        "box": "cells",
        "real_atom_types": "atom_types",
        "energy": "energies",
        "force": "forces",
    }

    def packed(array: np.ndarray) -> dict:
        return {"type": array.dtype.str, "shape": list(array.shape), "data": array.tobytes()}

    number = 0
    with lmdb.open(str(path), map_size=1 << 36, sync=False) as environment:
        for natoms, _, arrays in pieces(frames):
            shapes = {"coord": (natoms, 3), "force": (natoms, 3), "box": (3, 3), "energy": ()}
            with environment.begin(write=True) as writer:
                for row in range(len(arrays["energy"])):
                    frame = {
                        names[name]: packed(array[row].reshape(shapes.get(name, -1)))
                        for name, array in arrays.items()
                    }
                    writer.put(f"{number:012d}".encode(), msgpack.packb(frame), append=True)
                    number += 1
        metadata = {"nframes": number, "type_map": ELEMENTS, "frame_idx_fmt": "012d"}
        with environment.begin(write=True) as writer:
            writer.put(b"__metadata__", msgpack.packb(metadata))
    return path


WRITERS = {"npy": write_npy, "lmdb": write_lmdb}


def make_input(data: Path) -> dict:
    """A tiny DPA-1 for a few steps."""
    return {
        "model": {
            "type_map": ELEMENTS,
            "type_embedding": {"neuron": [4]},
            "descriptor": {
                "type": "se_atten",
                "sel": 40,
                "rcut": 4.0,
                "rcut_smth": 1.0,
                "neuron": [4, 8],
                "axis_neuron": 2,
                "attn": 4,
                "attn_layer": 0,
            },
            "fitting_net": {"neuron": [8, 8]},
        },
        "learning_rate": {"start_lr": 1e-3, "stop_lr": 1e-5},
        "training": {
            "training_data": {"systems": [str(data)], "batch_size": "mixed:8"},
            "numb_steps": _STEPS,
            "disp_freq": _STEPS,
            "save_freq": _STEPS,
            "seed": 1,
        },
    }


def processor_time(process: int) -> float:
    """Seconds of processor that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def train(folder: Path, threads: int, options: list[str]) -> dict[str, float]:
    """The measurements of a `Run`.

    Raises:
        SystemExit: The training has failed; its last lines are in the message.
    """
    began = time.monotonic()
    measured = dict.fromkeys(_MEMORY, 0.0)
    with (folder / "output").open("w+") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "deepattn", "train", "input.json", *options],
            cwd=folder,
            env=with_threads(threads),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        while process.poll() is None:
            status = Path(f"/proc/{process.pid}/status").read_text()
            for name, pattern in _MEMORY.items():
                if found := pattern.search(status):
                    measured[name] = max(measured[name], int(found[1]) / 1024)
            # The learning curve gets its first line just before the first step.
            curve = folder / "lcurve.out"
            started = curve.exists() and len(curve.read_text().splitlines()) > 2
            if started and "first_step" not in measured:
                measured["first_step"] = time.monotonic() - began
                measured["processor"] = processor_time(process.pid)
            time.sleep(0.1)
    if process.returncode:
        lines = (folder / "output").read_text().splitlines()[-15:]
        raise SystemExit("deepattn failed:\n" + "\n".join(lines))
    return measured


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=2_000_000)
    parser.add_argument("--layout", nargs="+", choices=list(WRITERS), default=list(WRITERS))
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("-o", "--output", type=Path, default=Path("big_data.json"))
    args = parser.parse_args()
    runs = []
    print("| layout | options | first step, s | processor, s | private, MiB | resident, MiB |")
    print("|---|---|---|---|---|---|")
    for layout in args.layout:
        folder = Path(tempfile.mkdtemp(prefix="big-data-", dir=args.folder))
        try:
            data = WRITERS[layout](folder / "data", args.frames)
            (folder / "input.json").write_text(json.dumps(make_input(data)))
            for options in ([], ["--skip-neighbor-stat"]):
                (folder / "lcurve.out").unlink(missing_ok=True)
                measured = train(folder, args.threads, options)
                run = Run(layout, " ".join(options), args.frames, **measured)
                runs.append(run)
                times = f"{run.first_step:.0f} | {run.processor:.0f}"
                memory = f"{run.private:.0f} | {run.resident:.0f}"
                print(f"| {layout} | {run.options} | {times} | {memory} |", flush=True)
        finally:
            shutil.rmtree(folder)
    content = {"machine": machine(args.threads), "runs": [asdict(run) for run in runs]}
    args.output.write_text(json.dumps(content, indent=1))


if __name__ == "__main__":
    main()
