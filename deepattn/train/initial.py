"""What a model that starts from scratch takes from the data: statistics and energy bias."""

from collections.abc import Iterator, Sequence

import keras
import numpy as np

from deepattn.config import ModelConfig
from deepattn.data import Batch
from deepattn.errors import DataError
from deepattn.formats.weight_names import BIAS
from deepattn.train.branch import Branch
from deepattn.train.energy_bias import energy_bias
from deepattn.train.env_mat import EnvMatSums
from deepattn.train.input_blocks import InputBlock, input_blocks
from deepattn.train.stat_file import StatFile
from deepattn.train.statistics import input_sums, mean_and_inverse, normalization, parameter_sums


def set_statistics(branches: Sequence[Branch]) -> None:
    """Set input statistics, those of frame and atomic parameters, and energy biases.

    Statistics that branches share are of the data of all of them: the sums over the environment
    matrices are added as they are, those of parameters by the weights of the branches.

    Args:
        branches: the branches, whose models' variables are assigned; ``sel`` is a number.
    """
    for branch in branches:
        set_energy_bias(branch)
    _set_input_statistics(branches)
    set_parameter_statistics(branches)


def set_energy_bias(branch: Branch) -> None:
    """Set the energy bias to what fits the labels of the data without a network."""
    section = branch.config.model
    bias = energy_bias(
        _batches(branch),
        section.ntypes,
        assigned=_assigned_energies(section),
        rcond=section.fitting_net.rcond,
        stat_file=_stat_file(branch),
    )
    branch.model.named_variables()[BIAS].assign(bias)


def set_parameter_statistics(branches: Sequence[Branch]) -> None:
    """Set mean and spread of frame and atomic parameters."""
    shared: dict[int, tuple[Branch, str, np.ndarray]] = {}
    most = max(branch.weight for branch in branches)
    for branch in branches:
        for name in ("fparam", "aparam"):
            width = getattr(branch.config.model.fitting_net, f"numb_{name}")
            if not width:
                continue
            sums = parameter_sums(_batches(branch), name, stat_file=_stat_file(branch))
            if len(sums) != width:
                raise DataError(
                    f"stat_file {branch.config.training.stat_file} has {len(sums)} {name}, the "
                    f"model {width}; delete it"
                )
            key = id(_parameter_variables(branch, name)[0])
            base, _, total = shared.get(key, (branch, name, np.zeros_like(sums)))
            shared[key] = base, name, total + sums * (branch.weight / most)
    for base, name, total in shared.values():
        protect = base.config.model.data_stat_protect
        values = mean_and_inverse(total, protect=protect)
        for variable, value in zip(_parameter_variables(base, name), values, strict=True):
            variable.assign(value)


def _set_input_statistics(branches: Sequence[Branch]) -> None:
    shared: dict[int, tuple[Branch, InputBlock, EnvMatSums]] = {}
    for branch in branches:
        variables = branch.model.named_variables()
        for block in input_blocks(branch.config.model):
            sums = input_sums(_batches(branch), block.shape, stat_file=_stat_file(branch))
            key = id(variables[block.davg])
            known = shared.get(key)
            shared[key] = branch, block, sums if known is None else known[2] + sums
    for branch, block, sums in shared.values():
        variables = branch.model.named_variables()
        statistics = normalization(sums, block.shape, set_davg_zero=block.set_davg_zero)
        for name, value in ((block.davg, statistics.davg), (block.dstd, statistics.dstd)):
            variables[name].assign(value.reshape(variables[name].shape))


def _batches(branch: Branch) -> Iterator[Batch]:
    # Drawn anew for each use, always the same: keeping them would cost memory.
    count = branch.config.model.data_stat_nbatch
    return (batch for _, batch in branch.data.statistics_batches(count))


def _stat_file(branch: Branch) -> StatFile | None:
    path = branch.config.training.stat_file
    return None if path is None else StatFile(path, branch.config.model.type_map)


def _parameter_variables(branch: Branch, name: str) -> list[keras.Variable]:
    variables = branch.model.named_variables()
    return [variables[f"fitting_attr/t_{name}_{statistic}"] for statistic in ("avg", "istd")]


def _assigned_energies(section: ModelConfig) -> tuple[float | None, ...] | None:
    if section.fitting_net.atom_ener:
        return section.fitting_net.atom_ener
    return (section.preset_out_bias or {}).get("energy")
