"""Filling an automatic ``sel`` from neighbor statistics."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from deepattn.config.model import DescriptorConfig, Dpa2Config, ModelConfig, SeE2AConfig
from deepattn.config.rules_dpa2 import check_dpa2
from deepattn.config.rules_net import auto_factor
from deepattn.config.tree import Config
from deepattn.errors import ConfigError

# The lengths of the lists of DPA-2 and their cutoffs: a block's, and its keys.
_LISTS = (
    ("repinit", "nsel", "rcut"),
    ("repinit", "three_body_sel", "three_body_rcut"),
    ("repformer", "nsel", "rcut"),
)


class NoNeighborsError(ConfigError):
    """A number of neighbors is to follow from data in which no atom has any."""

    def __init__(self, key: str, sel: str, rcut: float) -> None:
        super().__init__(
            f"model/descriptor/{key} is {sel!r}, but no atom of the training data has a neighbor "
            f"within {rcut:g} Å"
        )


def automatic_sel(config: Config) -> tuple[str, str] | None:
    """Key and value of a number of neighbors that follows from the data; None if all are given."""
    descriptor = config.model.descriptor
    values: dict[str, Any] = {"sel": descriptor.sel}
    if isinstance(descriptor, Dpa2Config):
        values = {f"{one}/{key}": getattr(getattr(descriptor, one), key) for one, key, _ in _LISTS}
    for key, value in values.items():
        if isinstance(value, str):
            return f"model/descriptor/{key}", value
    return None


def automatic_cutoffs(config: Config) -> list[float]:
    """Cutoff radii (Å) of the lists of neighbors whose lengths follow from the data."""
    descriptor = config.model.descriptor
    if not isinstance(descriptor, Dpa2Config):
        return [descriptor.rcut] if isinstance(descriptor.sel, str) else []
    blocks = [(getattr(descriptor, name), key, cutoff) for name, key, cutoff in _LISTS]
    return [getattr(b, cutoff) for b, key, cutoff in blocks if isinstance(getattr(b, key), str)]


def fill_nsel(config: Config, most: Callable[[float], int]) -> Config:
    """The configuration of a DPA-2 model with numbers in place of ``auto``, as of `fill_sel`.

    Args:
        config: configuration.
        most: gives the largest number of neighbors within a cutoff radius (Å) of any atom of
            the training data.

    Raises:
        NoNeighborsError: a list that the model uses would be empty.
        ConfigError: the numbers do not go together.
    """
    if automatic_sel(config) is None:
        return config

    def number(name: str, key: str, cutoff: str) -> int:
        block = getattr(config.model.descriptor, name)
        sel, rcut = getattr(block, key), getattr(block, cutoff)
        found = most(rcut)
        if not found and (key == "nsel" or block.use_three_body):
            raise NoNeighborsError(f"{name}/{key}", sel, rcut)
        return _filled(found, sel)

    filled = _fill_lists(config, number)
    check_dpa2(filled.model.descriptor.to_dict(), "model/descriptor")
    return filled


def fill_sel(config: Config, max_neighbors: int | Sequence[int]) -> Config:
    """The configuration with numbers in place of ``auto``; a given ``sel`` stays.

    Each number is ``max_neighbors`` times the factor of ``auto:f`` (1.1), cut to an integer and
    rounded up to a multiple of 4.

    Args:
        config: configuration.
        max_neighbors: largest number of neighbors within ``rcut`` of any atom of the training
            data: all together for se_atten, one number a type for se_e2_a.

    Raises:
        NoNeighborsError: all numbers are zero.
        ValueError: not one number for each type, or not one for all of them.
    """
    descriptor = config.model.descriptor
    if not isinstance(descriptor.sel, str):
        return config
    if not np.any(max_neighbors):
        raise NoNeighborsError("sel", descriptor.sel, descriptor.rcut)
    if not isinstance(descriptor, SeE2AConfig):
        if not isinstance(max_neighbors, int):
            raise ValueError(f"max_neighbors must be one number, not {max_neighbors!r}")
        return with_sel(config, _filled(max_neighbors, descriptor.sel))
    if isinstance(max_neighbors, int) or len(max_neighbors) != config.model.ntypes:
        raise ValueError(
            f"max_neighbors must have one number for each of the {config.model.ntypes} types, "
            f"not {max_neighbors!r}"
        )
    return with_sel(config, [_filled(most, descriptor.sel) for most in max_neighbors])


def take_sel(config: Config, model: ModelConfig) -> Config:
    """The configuration with a model's numbers of neighbors where its own are automatic.

    Args:
        config: configuration.
        model: model with a descriptor of the same class, all of whose numbers are given.
    """
    ours, theirs = config.model.descriptor, model.descriptor
    if automatic_sel(config) is None:
        return config
    if not isinstance(ours, Dpa2Config):
        return _with_value(config, theirs.sel)
    return _fill_lists(config, lambda name, key, _: getattr(getattr(theirs, name), key))


def with_sel(config: Config, sel: int | Sequence[int]) -> Config:
    """The configuration with another ``sel``: a number for se_atten, one a type for se_e2_a."""
    return _with_value(config, sel if isinstance(sel, int) else tuple(sel))


def _with_value(config: Config, sel: Any) -> Config:
    changed: dict[str, Any] = {"sel": sel}
    return _with_descriptor(config, dataclasses.replace(config.model.descriptor, **changed))


def _fill_lists(config: Config, number: Callable[[str, str, str], int]) -> Config:
    """Automatic lengths of DPA-2's lists by block, key, and key of the cutoff."""
    descriptor = config.model.descriptor
    for name, key, cutoff in _LISTS:
        block = getattr(descriptor, name)
        if isinstance(getattr(block, key), str):
            block = dataclasses.replace(block, **{key: number(name, key, cutoff)})
            descriptor = dataclasses.replace(descriptor, **{name: block})
    return _with_descriptor(config, descriptor)


def _with_descriptor(config: Config, descriptor: DescriptorConfig) -> Config:
    model = dataclasses.replace(config.model, descriptor=descriptor)
    return dataclasses.replace(config, model=model)


def _filled(most: int, sel: str) -> int:
    """The number of slots for `most` neighbors."""
    factor = auto_factor(sel)
    if factor is None:
        raise ValueError(f"sel must be auto or auto:f, not {sel!r}")
    return 4 * ((int(most * factor) + 3) // 4)
