"""The environment matrices of a model, and the weights that normalize them."""

from typing import NamedTuple

from deepattn.config import Dpa2Config, ModelConfig, SeAttenConfig, slots_of
from deepattn.statistics.env_mat import EnvMatShape

# The spread of types that the data lack, in all backends but TensorFlow.
_UNSEEN = 0.1


class InputBlock(NamedTuple):
    """One environment matrix.

    Attributes:
        davg: Name of the weight that is subtracted.
        dstd: Name of the weight that is divided by.
        shape: What the matrix is of.
        set_davg_zero: Whether nothing is subtracted.
    """

    davg: str
    dstd: str
    shape: EnvMatShape
    set_davg_zero: bool


def input_blocks(section: ModelConfig) -> list[InputBlock]:
    """The environment matrices of a model whose ``sel`` is a number: one, or one a block."""
    descriptor = section.descriptor
    if isinstance(descriptor, Dpa2Config):
        return _of_dpa2(section.ntypes, descriptor)
    zero = descriptor.set_davg_zero
    return [InputBlock("descrpt_attr/t_avg", "descrpt_attr/t_std", env_mat_shape(section), zero)]


def env_mat_shape(section: ModelConfig) -> EnvMatShape:
    """The environment matrix of a model with one, whose ``sel`` is a number."""
    descriptor = section.descriptor
    if isinstance(descriptor, Dpa2Config):
        raise ValueError("dpa2 has several environment matrices, see input_blocks")
    return EnvMatShape(
        ntypes=section.ntypes,
        rcut=descriptor.rcut,
        rcut_smth=descriptor.rcut_smth,
        sel=slots_of(descriptor.sel),
        mixed_types=isinstance(descriptor, SeAttenConfig),
        exclude_types=descriptor.exclude_types,
        unseen=_UNSEEN if section.is_common else None,
    )


def _of_dpa2(ntypes: int, descriptor: Dpa2Config) -> list[InputBlock]:
    repinit, repformer = descriptor.repinit, descriptor.repformer
    lists = {
        "repinit_variable": (repinit.rcut, repinit.rcut_smth, repinit.nsel),
        "repformers_variable": (repformer.rcut, repformer.rcut_smth, repformer.nsel),
    }
    if repinit.use_three_body:
        lists["repinit_three_body_variable"] = (
            repinit.three_body_rcut,
            repinit.three_body_rcut_smth,
            repinit.three_body_sel,
        )
    blocks = []
    for name, (rcut, rcut_smth, nsel) in lists.items():
        shape = EnvMatShape(
            ntypes=ntypes,
            rcut=rcut,
            rcut_smth=rcut_smth,
            sel=slots_of(nsel),
            mixed_types=True,
            exclude_types=descriptor.exclude_types,
            protection=descriptor.env_protection,
            unseen=_UNSEEN,
        )
        zero = (repformer if name == "repformers_variable" else repinit).set_davg_zero
        path = f"descriptor/{name}"
        blocks.append(InputBlock(f"{path}/davg", f"{path}/dstd", shape, zero))
    return blocks
