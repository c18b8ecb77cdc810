"""All systems of a training or validation set, and the batches drawn from them."""

import logging
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol, TypedDict

import numpy as np

from deepattn.config.observable import Label
from deepattn.data.batch_size import batch_sizes, count_batches, steps_per_pass
from deepattn.data.collate import collate
from deepattn.data.keys import DEFAULT_LABELS, label_name, label_shape
from deepattn.data.probability import system_probabilities
from deepattn.data.sampler import STATISTICS, Draw, Sampler
from deepattn.data.search import find_systems
from deepattn.data.system import Arrays, System
from deepattn.errors import DataError, show
from deepattn.progress import tracked

log = logging.getLogger(__name__)

# Atoms read at a time when all frames are checked (a few MB).
_ATOMS_AT_ONCE = 1 << 17


class DataConfig(Protocol):
    """The part of the configuration about the data to read."""

    systems: str | Sequence[str]
    rglob_patterns: Sequence[str] | None
    batch_size: int | str | Sequence[int]
    auto_prob: str
    sys_probs: Sequence[float] | None


class Batch(NamedTuple):
    """Inputs and labels of some frames."""

    inputs: Arrays
    labels: Arrays


class ArraySpec(NamedTuple):
    """Type and shape of an array of a batch; None stands for any length."""

    dtype: str
    shape: tuple[int | None, ...]


class _Wanted(TypedDict):
    """Arguments of `System.frames`."""

    fparam: int
    default_fparam: Sequence[float] | None
    aparam: int
    spin: bool
    labels: tuple[str | Label, ...]
    numb_generalized_coord: int


class DataSet:
    """Systems, their batch sizes and probabilities.

    Every frame is read once on opening, in pieces, so that a bad number is met before training, but
    with ``check=False`` only the first of each system: then a frame is checked when it is drawn.

    Args:
        data_config: ``training.training_data`` or ``training.validation_data``.
        type_map: Names of the model's types, or None to go by the numbers in the data.
        numb_fparam: Number of frame parameters of the model.
        default_fparam: Those of frames without any; None if there must be some.
        numb_aparam: Number of atomic parameters of the model.
        spin: Whether the model takes magnetic moments.
        labels: Labels that the loss needs.
        numb_generalized_coord: Width of the label ``drdq``.
        seed: Fixes the order of frames; None takes one from the operating system.
        replicas: How many devices share a batch, each with as many frames as ``batch_size``.
        check: Whether to read and check every frame now.

    Attributes:
        systems: The systems, in the order that ``sys_probs`` and ``batch_size`` count by.
        batch_sizes: Frames per batch of all replicas together.
        numb_batches: Batches in each system.
        probs: Probability of each system.
        frame_lists: Frames of each system, repeated ``numb_copy`` times.
        sampler: An endless iterator over batches.

    Raises:
        DataError: If any file is missing or malformed, or a number in it is not finite.
        ConfigError: If an option does not fit the systems.
    """

    def __init__(
        self,
        data_config: DataConfig,
        type_map: Sequence[str] | None,
        *,
        numb_fparam: int = 0,
        default_fparam: Sequence[float] | None = None,
        numb_aparam: int = 0,
        spin: bool = False,
        labels: Sequence[str | Label] = DEFAULT_LABELS,
        numb_generalized_coord: int = 0,
        seed: int | None = None,
        replicas: int = 1,
        check: bool = True,
    ) -> None:
        type_map = type_map or None
        self._wanted: _Wanted = {
            "fparam": numb_fparam,
            "default_fparam": default_fparam,
            "aparam": numb_aparam,
            "spin": spin,
            "labels": tuple(labels),
            "numb_generalized_coord": numb_generalized_coord,
        }
        paths = find_systems(data_config.systems, rglob_patterns=data_config.rglob_patterns)
        self.systems = [System(path, type_map=type_map) for path in paths]
        self.type_map = _common_type_map(self.systems) if type_map is None else list(type_map)
        self._check(whole=check)
        self.frame_lists = [_frame_list(system) for system in self.systems]
        self.batch_sizes = batch_sizes(
            data_config.batch_size, [system.natoms for system in self.systems]
        ).times(replicas)
        self.numb_batches = count_batches(
            (system.set_sizes for system in self.systems), self.batch_sizes
        )
        self.probs = system_probabilities(
            data_config.auto_prob, data_config.sys_probs, self.numb_batches
        )
        self._warn()
        self.sampler = Sampler(self, seed=seed)

    def read_all(self, atoms: int, title: str) -> Iterator[tuple[System, np.ndarray, Batch]]:
        """Read and check every frame once, in order, with a line of progress.

        Args:
            atoms: Most atoms to read at a time, but at least a frame.
            title: Purpose of the data, for messages.

        Yields:
            System, numbers of its frames, and these.

        Raises:
            DataError: A number is not finite.
        """
        pieces = [(system, frames) for system in self.systems for frames in system.pieces(atoms)]
        for system, frames in tracked(pieces, title):
            yield system, frames, Batch(*system.frames(frames, **self._wanted))

    def whole(self, atoms: int) -> Iterator[tuple[System, Batch]]:
        """Every frame once, in order, without the systems that ``batch_size`` leaves out.

        Args:
            atoms: Most atoms to read at a time, but at least a frame.

        Yields:
            System, and some of its frames.
        """
        for index, (system, size) in enumerate(
            zip(self.systems, self.batch_sizes.sizes, strict=True)
        ):
            for frames in system.pieces(atoms) if size else ():
                yield system, self.batch([(index, frames)])

    def batch(self, draw: Draw) -> Batch:
        """Read what a sampler drew, padded to the largest system."""
        parts = [self.systems[index].frames(rows, **self._wanted) for index, rows in draw]
        inputs, labels = zip(*parts, strict=True)
        return Batch(collate(inputs), collate(labels))

    def statistics_batches(self, count: int) -> Iterator[tuple[System, Batch]]:
        """``count`` random batches of each system in turn, whatever its probability.

        They do not disturb :attr:`sampler`; the same seed gives the same ones.
        """
        sampler = Sampler(self, seed=self.sampler.seed, stream=STATISTICS)
        for index, (system, size) in enumerate(
            zip(self.systems, self.batch_sizes.sizes, strict=True)
        ):
            for _ in range(count if size else 0):
                yield system, self.batch([sampler.draw_from(index, size)])

    def random_frames(self, index: int, count: int) -> Iterator[tuple[int, np.ndarray]]:
        """At most ``count`` random frames of a system, batch by batch; all if it is not positive.

        They do not disturb :attr:`sampler`; the same seed gives the same ones.
        """
        sampler = Sampler(self, seed=self.sampler.seed, stream=STATISTICS)
        total = len(self.frame_lists[index])
        left = total if count <= 0 else min(count, total)
        size = max(1, self.batch_sizes.sizes[index])
        for first in range(0, left, size):
            yield sampler.draw_from(index, min(size, left - first))

    def check_types(self, ntypes: int, reason: str) -> None:
        """Refuse atoms of types that a model does not have; named types are matched by name.

        Args:
            ntypes: Number of types of the model.
            reason: The rest of the sentence about a system that has more.

        Raises:
            DataError: A type is too large a number.
        """
        for system in self.systems:
            used = system.ntypes if system.mixed_type else int(system.atype([0]).max()) + 1
            if used > ntypes:
                raise DataError(f"{system.path} has the types 0 to {used - 1}, but {reason}")

    def steps_per_epoch(self) -> int:
        """Batches until every system has probably been seen once."""
        drawn = [
            batches / probability
            for batches, probability in zip(self.numb_batches, self.probs, strict=True)
            if probability > 0
        ]
        return int(np.ceil(max(drawn)))

    def steps_per_pass(self) -> int:
        """Batches that hold as many frames, on average, as the systems drawn from have."""
        available = [len(frames) for frames in self.frame_lists]
        return steps_per_pass(self.batch_sizes, self.probs, available)

    def signature(self) -> tuple[dict[str, ArraySpec], dict[str, ArraySpec]]:
        """Dtypes and shapes of the arrays of a batch, for ``tf.data.Dataset.from_generator``."""
        inputs: dict[str, ArraySpec] = {
            "coord": ArraySpec("float64", (None, None, 3)),
            "atype": ArraySpec("int32", (None, None)),
            "box": ArraySpec("float64", (None, 9)),
        }
        if self._wanted["fparam"]:
            inputs["fparam"] = ArraySpec("float64", (None, self._wanted["fparam"]))
        if self._wanted["aparam"]:
            inputs["aparam"] = ArraySpec("float64", (None, None, self._wanted["aparam"]))
        if self._wanted["spin"]:
            inputs["spin"] = ArraySpec("float64", (None, None, 3))
        labels = {}
        for label in self._wanted["labels"]:
            width = self._wanted["numb_generalized_coord"]
            name, shape = label_name(label), label_shape(label, None, numb_generalized_coord=width)
            labels[name] = ArraySpec("float64", (None, *shape))
            labels[f"find_{name}"] = ArraySpec("float64", (None,))
        return inputs, labels

    def _check(self, *, whole: bool) -> None:
        for system in self.systems:
            system.frames([0], **self._wanted)
        if whole:
            for _ in self.read_all(_ATOMS_AT_ONCE, "checking all frames"):
                pass

    def _warn(self) -> None:
        for system, size, frames in zip(
            self.systems, self.batch_sizes.sizes, self.frame_lists, strict=True
        ):
            if not size:
                log.warning("%s is skipped: it has %d atoms", system.path, system.natoms)
            elif self.batch_sizes.by_hand and size > len(frames):
                log.warning(
                    "%s has %d frames, fewer than the batch size %d: every batch contains "
                    "all of them",
                    system.path,
                    len(frames),
                    size,
                )


def _frame_list(system: System) -> np.ndarray:
    frames = np.repeat(np.arange(system.nframes), system.numb_copy())
    if not len(frames):
        raise DataError(f"numb_copy of {system.path} drops all its frames; leave the system out")
    return frames


def _common_type_map(systems: Sequence[System]) -> list[str] | None:
    """The longest of the systems' own type maps, of which all others must be a beginning."""
    longest = max((system.type_map or [] for system in systems), key=len)
    for system in systems:
        names = system.type_map or []
        if names != longest[: len(names)]:
            raise DataError(
                f"{system.path} numbers its types {show(names)}, other systems {show(longest)}: "
                "set model/type_map"
            )
    return longest or None
