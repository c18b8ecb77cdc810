"""SavedModels: folders that DeePMD-kit's TensorFlow 2 backend runs."""

from __future__ import annotations

import os
from pathlib import Path

SUFFIX = ".savedmodeltf"
# The file that every SavedModel has.
MARK = "saved_model.pb"


def is_saved_model(path: str | os.PathLike) -> bool:
    """Whether a path has the ending of these folders."""
    return Path(path).suffix == SUFFIX
