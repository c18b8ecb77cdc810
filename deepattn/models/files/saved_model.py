"""SavedModels (``.savedmodeltf``): run as they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from deepattn import limits
from deepattn.config import FITTINGS, FittingConfig
from deepattn.errors import ModelFileError
from deepattn.formats.saved_model import MARK, SUFFIX, parse_saved_model
from deepattn.models.files.base import ModelFile


class SavedModelFile(ModelFile):
    """A SavedModel that deepattn wrote.

    It can be evaluated. Its weights are constants without names, so there is no way back to a
    model that could be trained.

    Attributes:
        saved: its functions, and what it says of itself.
    """

    kind = "a SavedModel"
    suffixes = (SUFFIX,)
    runs_as_it_is = True

    def __init__(self, path: Path, content: bytes) -> None:
        super().__init__(path, content)
        self.saved = parse_saved_model(content, path)

    @property
    def fitting_kind(self) -> type[FittingConfig]:
        # Others are not written as SavedModels.
        return FITTINGS[str(FittingConfig.default_type)]

    @property
    def observable(self) -> None:
        return None

    @classmethod
    def recognizes(cls, path: Path, start: bytes) -> bool:
        return (path / MARK).is_file()

    @property
    def moments(self) -> int:
        return 0

    def type_map(self) -> list[str]:
        return self.saved.texts("get_type_map")

    def model_section(self) -> dict[str, Any] | None:
        text = self.saved.text("get_model_def_script")
        try:
            section = json.loads(text)
            limits.check_depth(section)
        except (ValueError, TypeError, RecursionError):
            section = None
        if not isinstance(section, dict):
            raise ModelFileError(f"{self.path}: get_model_def_script in it is not a JSON object")
        return section

    def weights(self) -> None:
        return None
