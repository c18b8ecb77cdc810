"""Files that all backends of DeePMD-kit read: ``.dp`` (HDF5) and YAML."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deepattn.formats.dp_file import SUFFIXES, encode_tree, parse_tree
from deepattn.formats.hdf5 import SIGNATURE
from deepattn.formats.weight_names import BIAS
from deepattn.models.dpmodel import from_tree, set_bias
from deepattn.models.files.base import ModelFile, StoredModel

if TYPE_CHECKING:
    from typing_extensions import Self


class DpModelFile(ModelFile):
    """A ``.dp`` file, or the same tree in YAML.

    Attributes:
        tree: the content as mappings, lists and arrays.
    """

    kind = "a file of all backends"
    suffixes = SUFFIXES

    def __init__(self, path: Path, content: bytes) -> None:
        super().__init__(path, content)
        self.tree = parse_tree(content, path)

    @classmethod
    def recognizes(cls, path: Path, start: bytes) -> bool:
        return start.startswith(SIGNATURE) or _is_text(start)

    def energy_bias(self) -> np.ndarray:
        self.refuse_observables()
        return self.stored().arrays[BIAS]

    def with_energy_bias(self, bias: np.ndarray) -> Self:
        return self._copy(tree=set_bias(self.tree, bias))

    def encode(self, target: Path) -> bytes:
        return encode_tree(self.tree, target)

    def _stored(self) -> StoredModel:
        config, arrays, distance = from_tree(self.tree, str(self.path))
        header = {"config": {"model": config.to_dict()}, "min_nbor_dist": distance}
        return StoredModel(config, arrays, "float64", header)


def _is_text(start: bytes) -> bool:
    """Whether bytes are UTF-8 text, of which the last character may be cut."""
    text = start.decode(errors="ignore")
    whole = len(text.encode()) > len(start) - 4
    return bool(text) and whole and all(c.isprintable() or c in "\t\n\r" for c in text)
