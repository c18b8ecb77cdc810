"""The environment matrices of a model, and the weights that normalize them."""

from typing import NamedTuple

from deepattn.config import EnvMatSpec, ModelConfig
from deepattn.statistics.env_mat import EnvMatShape

# The spread of types that the data lack, in all backends but TensorFlow.
_UNSEEN = 0.1


class InputBlock(NamedTuple):
    """One environment matrix.

    Attributes:
        davg: Name of the weight that is subtracted.
        dstd: Name of the weight that is divided by.
        shape: Parameters of the matrix.
        set_davg_zero: Whether nothing is subtracted.
    """

    davg: str
    dstd: str
    shape: EnvMatShape
    set_davg_zero: bool


def input_blocks(section: ModelConfig) -> list[InputBlock]:
    """The environment matrices of a model whose numbers of neighbors are given."""
    return [
        InputBlock(spec.davg, spec.dstd, _shape(section, spec), spec.set_davg_zero)
        for spec in section.descriptor.env_mats()
    ]


def _shape(section: ModelConfig, spec: EnvMatSpec) -> EnvMatShape:
    descriptor = section.descriptor
    return EnvMatShape(
        ntypes=section.ntypes,
        rcut=spec.rcut,
        rcut_smth=spec.rcut_smth,
        sel=spec.sel,
        mixed_types=descriptor.is_mixed(spec),
        exclude_types=(
            *(descriptor.exclude_types if spec.exclude_types is None else spec.exclude_types),
            *section.pair_exclude_types,
        ),
        protection=spec.protection,
        columns=spec.columns,
        unseen=_UNSEEN if section.is_common else None,
    )
