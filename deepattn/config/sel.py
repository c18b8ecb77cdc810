"""Filling an automatic ``sel`` from neighbour statistics."""

import dataclasses
from collections.abc import Sequence

from deepattn.config.model import SeE2AConfig
from deepattn.config.rules_model import auto_factor
from deepattn.config.tree import Config


def fill_sel(config: Config, max_neighbours: int | Sequence[int]) -> Config:
    """The configuration with numbers in place of ``auto``; a given ``sel`` stays.

    Each number is ``max_neighbours`` times the factor of ``auto:f`` (1.1), cut to an integer and
    rounded up to a multiple of 4.

    Args:
        config: configuration.
        max_neighbours: largest number of neighbours within ``rcut`` of any atom of the training
            data: all together for se_atten, one number a type for se_e2_a.

    Raises:
        ValueError: not one number for each type.
    """
    descriptor = config.model.descriptor
    if not isinstance(descriptor.sel, str):
        return config
    factor = auto_factor(descriptor.sel)
    if isinstance(descriptor, SeE2AConfig):
        if len(max_neighbours) != config.model.ntypes:
            raise ValueError(
                f"max_neighbours must have one number for each of the {config.model.ntypes} types, "
                f"not {max_neighbours!r}"
            )
        return with_sel(config, [_round_up(int(n * factor)) for n in max_neighbours])
    return with_sel(config, _round_up(int(max_neighbours * factor)))


def with_sel(config: Config, sel: int | Sequence[int]) -> Config:
    """The configuration with another ``sel``: a number for se_atten, one a type for se_e2_a."""
    value = sel if isinstance(sel, int) else tuple(sel)
    descriptor = dataclasses.replace(config.model.descriptor, sel=value)
    model = dataclasses.replace(config.model, descriptor=descriptor)
    return dataclasses.replace(config, model=model)


def _round_up(count: int) -> int:
    return 4 * ((count + 3) // 4)
