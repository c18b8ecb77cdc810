"""Statistics of data: neighbors, environment matrices, parameters, and energy by element."""

from deepattn.statistics.energy_bias import EnergyFit, change_by_statistic, fit_energies
from deepattn.statistics.env_mat import EnvMatShape, EnvMatSums, env_mat_sums, environment_matrix
from deepattn.statistics.input_blocks import InputBlock, input_blocks
from deepattn.statistics.moments import InputStatistics, input_statistics, parameter_statistics
from deepattn.statistics.neighbors import (
    NeighborStat,
    count_neighbors,
    neighbor_statistics,
    shortest_distance,
)
from deepattn.statistics.stat_file import StatFile

__all__ = [
    "EnergyFit",
    "EnvMatShape",
    "EnvMatSums",
    "InputBlock",
    "InputStatistics",
    "NeighborStat",
    "StatFile",
    "change_by_statistic",
    "count_neighbors",
    "env_mat_sums",
    "environment_matrix",
    "fit_energies",
    "input_blocks",
    "input_statistics",
    "neighbor_statistics",
    "parameter_statistics",
    "shortest_distance",
]
