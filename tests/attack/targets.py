"""The readers: which good file each reads, how it is changed, and what reading it is."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from . import mutate

if TYPE_CHECKING:
    from deepattn.formats.array_file import ArrayFormat

Change = Callable[[bytes, random.Random], bytes]


@dataclass(frozen=True)
class Target:
    """A reader.

    Attributes:
        seed: The good file or folder.
        change: Changes the content of a file.
        read: Reads what was changed; raises `DeepattnError` or returns.
        inside: Of a folder which files are changed, as patterns.
        share: How many of a hundred changes.
    """

    seed: str
    change: Change
    read: Callable[[Path], object]
    inside: tuple[str, ...] = ()
    share: int = 10

    def copy(self, seeds: Path, folder: Path) -> Path:
        """The good file, below ``folder``."""
        place = folder / self.seed
        if self.inside:
            return Path(shutil.copytree(seeds / self.seed, place))
        return Path(shutil.copy(seeds / self.seed, place))

    def spoil(self, place: Path, draw: random.Random) -> None:
        """Change the copy."""
        found = sorted(path for pattern in self.inside for path in place.glob(pattern))
        chosen = draw.choice([path for path in found if path.is_file()] or [place])
        chosen.write_bytes(self.change(chosen.read_bytes(), draw))


def _system(path: Path) -> None:
    from deepattn.data import System, find_systems

    for name in find_systems(str(path))[:5]:
        system = System(name, type_map=["O", "H"])
        system.frames(range(min(system.nframes, 3)))


def _lmdb(path: Path) -> None:
    from deepattn.data import lmdb

    try:
        _system(path)
    finally:
        for _, environment in lmdb._environments.values():
            environment.close()
        lmdb._environments.clear()


def _input(path: Path) -> None:
    from deepattn.config import read_config

    read_config(path)


def _graph(path: Path) -> None:
    from deepattn.formats.frozen import read_frozen

    read_frozen(path)


def _graph_text(path: Path) -> None:
    from deepattn.formats.convert_from import convert_graph

    convert_graph(path, path.with_suffix(".pb"), version="pbtxt")


def _older_graph(path: Path) -> None:
    from deepattn.formats.convert_from import convert_graph

    convert_graph(path, path.with_suffix(".new.pb"))


def _evaluated(path: Path) -> None:
    from deepattn.infer import DeepPot

    coords = 2.0 * np.indices((2, 2, 1)).reshape(3, -1).T
    with DeepPot(path) as potential:
        potential.eval(coords, 5 * np.eye(3).ravel(), [0, 1, 1, 0])


def _model(path: Path) -> None:
    from deepattn.models import read_model

    read_model(path)


def _branches(path: Path) -> None:
    from deepattn.models import open_model_file

    file = open_model_file(path)
    for name in list(file.branches or [None])[:4]:
        file.branch(name).stored()


def _opened(path: Path) -> None:
    from deepattn.models import open_model_file

    file = open_model_file(path)
    file.type_map()
    file.model_section()


def _checkpoint(path: Path) -> None:
    from deepattn.train.weight_source import from_checkpoint

    from_checkpoint(path, restart=True)


def _with_checksum(content: bytes, draw: random.Random) -> bytes:
    from deepattn.formats.checkpoint import FORMAT

    return _damaged(FORMAT, content, draw)


def _of_uncertainty(content: bytes, draw: random.Random) -> bytes:
    from deepattn.uncertainty.file import FORMAT

    return _damaged(FORMAT, content, draw)


def _damaged(kind: ArrayFormat, content: bytes, draw: random.Random) -> bytes:
    """The content changed, with a checksum that is right."""
    from deepattn.formats.array_file import BLOCK

    damaged = mutate.of_bytes(content[BLOCK:], draw)
    return bytes(kind.first_block(memoryview(damaged))) + damaged


def _uncertainty(path: Path) -> None:
    from deepattn.uncertainty import read_uncertainty

    found = read_uncertainty(path)
    width, ntypes = len(found.distance.basis), len(found.calibration.scale)
    kinds = np.arange(-1, ntypes)[None, :50]
    descriptor = np.zeros((*kinds.shape, width))
    with np.errstate(all="ignore"):
        distance = found.distances(descriptor, kinds)
        found.errors(distance, np.ones((*kinds.shape, 3)), kinds)


def _statistics(path: Path) -> None:
    from deepattn.errors import DataError
    from deepattn.statistics.stat_file import StatFile

    from .seeds import SHAPE, TYPE_MAP

    cache = StatFile(path, TYPE_MAP)
    reads = (cache.read_bias, lambda: cache.read_env_mat(SHAPE))
    errors = []
    for read in (*reads, lambda: cache.read_parameters("fparam"), lambda: cache.write({})):
        try:
            read()
        except DataError as error:
            errors.append(error)
    if errors:
        raise errors[0]


TARGETS = {
    "npy": Target("system", mutate.of_bytes, _system, ("set.000/*.npy",), 15),
    "types": Target("system", mutate.of_text, _system, ("*.raw",), 10),
    "hdf5": Target("data.hdf5", mutate.of_bytes, _system, share=15),
    "lmdb": Target("data.lmdb", mutate.of_bytes, _lmdb, ("data.mdb",), 10),
    "extxyz": Target("frames.extxyz", mutate.of_text, _system, share=5),
    "dump": Target("frames.dump", mutate.of_text, _system, share=5),
    "json": Target("input.json", mutate.of_text, _input, share=7),
    "yaml": Target("input.yaml", mutate.of_text, _input, share=5),
    "graph": Target("model.pb", mutate.of_graph, _graph, share=5),
    "evaluated": Target("model.pb", mutate.of_graph, _evaluated, share=1),
    "graph text": Target("model.pbtxt", mutate.of_text, _graph_text, share=3),
    "older graph": Target("model.pb", mutate.of_graph, _older_graph, share=3),
    "dp": Target("model.dp", mutate.of_bytes, _model, share=6),
    "model yaml": Target("model.yaml", mutate.of_text, _model, share=2),
    "checkpoint": Target("model.ckpt.h5", _with_checksum, _checkpoint, share=7),
    "uncertainty": Target("model.uncertainty", _of_uncertainty, _uncertainty, share=3),
    "torch": Target("model.pt", mutate.of_torch, _model, share=5),
    "torch frozen": Target("model.pth", mutate.of_torch, _model, share=3),
    "torch tasks": Target("tasks.pt", mutate.of_torch, _branches, share=3),
    "keras": Target("model.keras", mutate.of_bytes, _opened, share=2),
    "saved model": Target(
        "model.savedmodeltf", mutate.of_bytes, _opened, ("saved_model.pb",), share=2
    ),
    "statistics": Target("stat.h5", mutate.of_bytes, _statistics, share=4),
    "statistics folder": Target("stat", mutate.of_bytes, _statistics, ("*/*", "*/*/*"), 3),
}
