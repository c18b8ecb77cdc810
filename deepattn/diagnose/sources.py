"""Finding the files of a training: learning curve, input, data."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deepattn.config import Config, DataConfig, MultiTaskConfig, read_config
from deepattn.data import find_systems
from deepattn.errors import ConfigError, DataError
from deepattn.formats.learning_curve import read_learning_curve

_CURVE = "lcurve.out"
# The complete input has numbers for sel and steps.
_INPUTS = ("out.json", "input.json", "input.yaml", "input.yml")


@dataclass(frozen=True)
class Run:
    """The files of a training.

    Attributes:
        curve: Path of the learning curve.
        columns: Its columns.
        input: Path of the input, or None.
        config: The input, or None.
    """

    curve: Path
    columns: Mapping[str, np.ndarray]
    input: Path | None
    config: Config | MultiTaskConfig | None

    def systems(self, section: DataConfig) -> list[str] | None:
        """The systems of a data section; None if they are not there.

        Relative paths start from the folder of the curve, or from the working folder.
        """
        for base in (self.curve.parent, None):
            try:
                return find_systems(
                    list(section.systems), rglob_patterns=section.rglob_patterns, base=base
                )
            except DataError:
                continue
        return None


def find_run(path: str | os.PathLike, input_file: str | os.PathLike | None = None) -> Run:
    """Read the learning curve and the input of a training.

    Args:
        path: The folder of the training, or its learning curve.
        input_file: The input; by default ``out.json`` or ``input.json`` in the same folder.

    Raises:
        OSError: The learning curve cannot be read.
        DataError: It is none.
        ConfigError: The input is not valid.
    """
    path = Path(path)
    curve = path / _CURVE if path.is_dir() else path
    columns = read_learning_curve(curve)
    if "step" not in columns:
        raise DataError(f"{curve}: has no column step; is it the learning curve of a training?")
    if input_file is None:
        found = [curve.parent / name for name in _INPUTS if (curve.parent / name).is_file()]
        input_file = found[0] if found else None
    if input_file is None:
        return Run(curve, columns, None, None)
    if not Path(input_file).is_file():
        raise ConfigError(f"{input_file}: there is no such file")
    return Run(curve, columns, Path(input_file), read_config(input_file))
