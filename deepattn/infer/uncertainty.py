"""The uncertainty of a model: finding its file, and making it."""

from __future__ import annotations

import os
from pathlib import Path

from deepattn.errors import ModelFileError
from deepattn.models.files import ModelFile
from deepattn.uncertainty import SUFFIX, Uncertainty, read_uncertainty

# Results of `Uncertainty.evaluate` among those of an evaluation.
UNCERTAINTIES = ("force_error", "distance")


def uncertainty_path(model: ModelFile) -> Path:
    """The usual place of the file of a model's uncertainties: beside it."""
    return model.path.with_name(f"{model.path.name}{SUFFIX}")


def open_uncertainty(model: ModelFile, path: str | os.PathLike | None = None) -> Uncertainty:
    """Read the uncertainty of a model.

    Args:
        model: The model, its branch chosen if it has several.
        path: The file; by default the one beside the model.

    Raises:
        ModelFileError: There is no such file, it is damaged, or it belongs to another model.
    """
    found = Path(path) if path is not None else uncertainty_path(model)
    if not found.is_file():
        raise ModelFileError(
            f"{found}: there is no file with the uncertainties of {model.path}; make it with "
            f"'deepattn uncertainty fit -m {model.path}', which needs the training data"
        )
    uncertainty = read_uncertainty(found)
    head = model.chosen_branch()
    if uncertainty.model != model.digest():
        raise ModelFileError(
            f"{found}: belongs to another file than {model.path}, or to an earlier version of it; "
            "make it again with 'deepattn uncertainty fit'"
        )
    if uncertainty.head != head:
        raise ModelFileError(
            f"{found}: belongs to the branch {uncertainty.head} of {model.path}, not to {head}"
        )
    return uncertainty
