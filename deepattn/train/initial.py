"""What a model that starts from scratch takes from the data: statistics and energy bias."""

from collections.abc import Iterator

import numpy as np

from deepattn.config import Config
from deepattn.data import Batch, DataSet
from deepattn.layers.energy_fitting import BIAS
from deepattn.models import EnergyModel
from deepattn.train.energy_bias import energy_bias
from deepattn.train.input_blocks import input_blocks
from deepattn.train.stat_file import StatFile
from deepattn.train.statistics import input_statistics, parameter_statistics


def set_statistics(model: EnergyModel, config: Config, data: DataSet) -> None:
    """Set the input statistics, those of frame and atomic parameters, and the energy bias.

    Args:
        model: the model, whose variables are assigned.
        config: the configuration; ``sel`` is a number.
        data: the training data.
    """
    section = config.model
    stat_file = None
    if config.training.stat_file is not None:
        stat_file = StatFile(config.training.stat_file, section.type_map)

    def batches() -> Iterator[Batch]:
        # Drawn anew for each use, always the same: keeping them would cost memory.
        return (batch for _, batch in data.statistics_batches(section.data_stat_nbatch))

    variables = model.named_variables()
    values: dict[str, np.ndarray] = {
        BIAS: energy_bias(
            batches(),
            section.ntypes,
            assigned=_assigned_energies(config),
            rcond=section.fitting_net.rcond,
            stat_file=stat_file,
        ),
    }
    for block in input_blocks(section):
        statistics = input_statistics(
            batches(), block.shape, set_davg_zero=block.set_davg_zero, stat_file=stat_file
        )
        values[block.davg], values[block.dstd] = statistics.davg, statistics.dstd
    for name in ("fparam", "aparam"):
        if getattr(section.fitting_net, f"numb_{name}"):
            mean, inverse = parameter_statistics(
                batches(), name, protect=section.data_stat_protect, stat_file=stat_file
            )
            values[f"fitting_attr/t_{name}_avg"] = mean
            values[f"fitting_attr/t_{name}_istd"] = inverse
    for name, value in values.items():
        variables[name].assign(value.reshape(variables[name].shape))


def _assigned_energies(config: Config) -> tuple[float | None, ...] | None:
    if config.model.fitting_net.atom_ener:
        return config.model.fitting_net.atom_ener
    return (config.model.preset_out_bias or {}).get("energy")
