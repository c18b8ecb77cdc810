"""The labeled data of a loop in one folder, with the origin of every frame."""

from __future__ import annotations

import csv
from typing import Any

from ase import Atoms

from deepattn.distill.labeled import LabeledFrames, read_labeled, write_labeled
from deepattn.distill.rounds import folder_of
from deepattn.distill.workdir import read_frames
from deepattn.formats.files import write_whole
from deepattn.learn.labels.store import LabelStore
from deepattn.learn.result import LearnResult

DATA = "data"
PROVENANCE = "provenance.csv"
_COLUMNS = ("system", "frame", "round", "origin", "temperature", "pressure", "run", "step", "label")


def publish_data(result: LearnResult, store: LabelStore) -> dict[str, Any]:
    """Write ``data``, systems with all labels, and ``provenance.csv``, which lists their frames.

    Its columns are the system, the number of the frame in it, the round, what the frame is of
    (``structure``, ``perturbed`` or ``dynamics``), temperature (K), pressure (GPa), run and step of
    dynamics, and the folder of the label's run.

    Returns:
        The numbers of frames and systems.
    """
    path = result.workdir.path
    origins: dict[str, Atoms] = {}
    everything, rounds = LabeledFrames([], []), []
    for number in range(len(result.rounds) + 1):
        folder = path(folder_of(number))
        # Frames of one round's dynamics are data of the next.
        source = "seed.extxyz" if number == 0 else f"../{folder_of(number - 1)}/explored.extxyz"
        for atoms in read_frames(folder / source):
            origins[store.place(atoms).name] = atoms
        if not (folder / "data").is_dir():
            continue
        found = read_labeled(folder / "data")
        everything.frames.extend(found.frames)
        everything.labels.extend(found.labels)
        rounds += [number] * len(found.frames)
    places = write_labeled(everything, path(DATA))
    with write_whole(path(PROVENANCE), "w") as file:
        table = csv.writer(file)
        table.writerow(_COLUMNS)
        for atoms, number, (system, row) in zip(everything.frames, rounds, places, strict=True):
            label = store.place(atoms).name
            info = origins[label].info
            table.writerow(
                [system, row, number, info["origin"]]
                + [info.get(name, "") for name in ("temperature", "pressure", "run", "step")]
                + [f"{store.folder.name}/{label}"]
            )
    return {"frames": len(rounds), "systems": len({system for system, _ in places})}
