"""Filling an automatic ``sel`` from neighbor statistics."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from deepattn.config.constraints import auto_factor
from deepattn.config.descriptor import NeighborList
from deepattn.config.model import ModelConfig
from deepattn.config.tree import Config
from deepattn.errors import ConfigError


class NoNeighborsError(ConfigError):
    """An automatic ``sel``, and no atom of the training data has a neighbor.

    Args:
        path: The path of its key in the input.
        found: The list that would be empty.
    """

    def __init__(self, path: str, found: NeighborList) -> None:
        super().__init__(
            f"{path} is {found.sel!r}, but no atom of the training data has "
            f"a neighbor within {found.rcut:g} Å"
        )


def automatic_sel(config: Config) -> tuple[str, str] | None:
    """Key and value of an automatic number of neighbors; None if all are given."""
    for one in config.model.descriptor.neighbor_lists():
        if isinstance(one.sel, str):
            return _path(config, one), one.sel
    return None


def fill_sel(config: Config, most: Callable[[tuple[float, bool]], Sequence[int]]) -> Config:
    """The configuration with numbers in place of ``auto``; given numbers stay.

    Each is the largest number in the data times the factor of ``auto:f`` (1.1), cut to an integer
    and rounded up to a multiple of 4.

    Args:
        config: Configuration.
        most: Gives the largest number of neighbors of any atom of the training data, by cutoff
            radius (Å) and whether one number counts all types together; else one for each type.

    Raises:
        NoNeighborsError: A list that the model uses would be empty.
        ConfigError: The numbers do not go together.
        ValueError: Not one number for each type, or not one for all of them.
    """
    numbers: dict[str, int | tuple[int, ...]] = {}
    descriptor, ntypes = config.model.descriptor, len(config.model.type_map)
    for one in descriptor.neighbor_lists():
        if not isinstance(one.sel, str):
            continue
        mixed = descriptor.is_mixed(one)
        found = [int(number) for number in most((one.rcut, mixed))]
        if len(found) != (1 if mixed else ntypes):
            wanted = "one number" if mixed else f"one number for each of the {ntypes} types"
            raise ValueError(f"the largest numbers of neighbors must be {wanted}, not {found!r}")
        if not np.any(found) and not one.may_be_empty:
            raise NoNeighborsError(_path(config, one), one)
        filled = tuple(_filled(number, one.sel) for number in found)
        numbers[one.key] = filled[0] if mixed else filled
    return with_neighbors(config, numbers) if numbers else config


def take_sel(config: Config, model: ModelConfig) -> Config:
    """The configuration with a model's numbers of neighbors where its own are automatic.

    Args:
        config: Configuration.
        model: Model with a descriptor of the same type, all of whose numbers are given.
    """
    theirs = {one.key: one.sel for one in model.descriptor.neighbor_lists()}
    numbers = {
        one.key: theirs.get(one.key, one.sel)
        for one in config.model.descriptor.neighbor_lists()
        if isinstance(one.sel, str)
    }
    return with_neighbors(config, numbers) if numbers else config


def with_neighbors(config: Config, numbers: Mapping[str, int | tuple[int, ...] | str]) -> Config:
    """The configuration with other numbers of neighbors, by their keys in the descriptor section.

    Raises:
        ConfigError: The numbers do not go together.
    """
    descriptor = config.model.descriptor.with_neighbors(numbers)
    model = dataclasses.replace(config.model, descriptor=descriptor)
    return dataclasses.replace(config, model=model)


def _path(config: Config, found: NeighborList) -> str:
    """The path of the key of a list in the input."""
    return config.model.in_input(f"model/descriptor/{found.key}")


def _filled(most: int, sel: str) -> int:
    """The number of slots for `most` neighbors."""
    factor = auto_factor(sel)
    if factor is None:
        raise ValueError(f"sel must be auto or auto:f, not {sel!r}")
    return 4 * ((int(most * factor) + 3) // 4)
