"""The contents of a model file, read without running the model."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from deepattn.config import ModelConfig
from deepattn.config.combination import combination_of, is_further
from deepattn.data.type_map import names_or_numbers
from deepattn.errors import ModelFileError
from deepattn.formats.weight_names import BIAS
from deepattn.models.files import ModelFile, open_model_file
from deepattn.models.files.frozen import trained_place
from deepattn.periodic_table import by_atomic_number

# A bias below it is that of a type without data, eV.
_ZERO = 1e-6

# Weights of models that are added to the trained one.
_OF_TERM = re.compile(r"model(\d+)/")
# By the beginning of a weight's name; the rest belongs to the fitting net.
_OWNERS = {
    "type_embed_net/": "type embedding",
    "filter_type_": "descriptor",
    "descriptor/": "descriptor",
    "attention_layer_": "descriptor",
    "descrpt_attr": "statistics",
    "fitting_attr/": "statistics",
    "model_attr/": "statistics",
}


class Inspection:
    """The contents of a model file.

    Args:
        source: as in `deepattn.infer.DeepPot`.
        head: as in `deepattn.infer.DeepPot`.

    Attributes:
        file: the file.

    Raises:
        ModelFileError: the file is missing or damaged, or the branch must be chosen.
    """

    def __init__(self, source: str | os.PathLike | ModelFile, *, head: str | None = None) -> None:
        self.file = open_model_file(source, head)
        self.path = self.file.path
        names = self.file.type_map()
        self._type_map = names[: len(names) - self.file.moments]
        script = self.file.model_section()
        self._script: dict[str, Any] | None = (
            ModelConfig.flatten(script) if isinstance(script, dict) else None
        )

    @cached_property
    def _weights(self) -> Mapping[str, np.ndarray]:
        weights = self.file.weights()
        if weights is None:
            self.file.refuse("its weights have no names")
        return weights

    @property
    def has_script(self) -> bool:
        """Whether the file has the input that the model was trained with."""
        return self._script is not None

    def tell(self, parts: Sequence[str] = ()) -> dict[str, object]:
        """Parts of the model by name, as values that JSON can hold.

        Args:
            parts: keys of `PARTS`; an overview of what the file has if there are none.

        Raises:
            ModelFileError: the file does not hold one of the parts.
        """
        return {part: PARTS[part](self) for part in parts or self._overview()}

    def type_map(self) -> list[str]:
        """Names of the types, in the order of their numbers; empty where they have none."""
        return list(self._type_map)

    def descriptor(self) -> dict:
        """The descriptor section of the input that the model was trained with; of several trained
        models by their keys in ``model``."""
        return self._section("descriptor")

    def fitting_net(self) -> dict:
        """The fitting section of the input that the model was trained with, likewise."""
        return self._section("fitting_net")

    def size(self) -> dict[str, int]:
        """Numbers of trained parameters and of statistics by owner, their sum, the file's bytes.

        Raises:
            ModelFileError: the file does not hold its weights by name.
        """
        sizes = dict.fromkeys(("type embedding", "descriptor", "fitting net", "statistics"), 0)
        for name, array in self._weights.items():
            sizes[self._owner_of(name)] += array.size
        trained = sum(number for owner, number in sizes.items() if owner != "statistics")
        return {**sizes, "trained parameters": trained, "bytes": self.path.stat().st_size}

    def weights(self) -> list[dict]:
        """Name, shape, dtype, root mean square, smallest and largest element of every weight.

        Raises:
            ModelFileError: the file does not hold its weights by name.
        """
        return [
            {
                "name": name,
                "shape": list(array.shape),
                "dtype": str(array.dtype),
                "rms": float(np.sqrt(np.mean(np.square(array, dtype=float)))),
                "min": float(array.min()),
                "max": float(array.max()),
            }
            for name, array in self._weights.items()
            if array.size
        ]

    def type_embedding(self) -> dict[str, list[float]]:
        """The learned vector of each type.

        Raises:
            ModelFileError: the model has no type embedding.
        """
        if not any(_owner(name) == "type embedding" for name in self._weights):
            raise ModelFileError(f"{self.path}: the model has no type embedding")
        from deepattn.infer.deep_eval import DeepEval

        with DeepEval(self.file) as model:
            vectors = model.eval_typeebd()
            names = names_or_numbers(self._type_map, model.get_ntypes())
        return {name: vectors[k].tolist() for k, name in enumerate(names)}

    def observed_type(self) -> list[str]:
        """Names of the types that the training data had, in the order of the elements.

        As in DeePMD-kit the file says it, or they are those whose energy bias is not zero.

        Raises:
            ModelFileError: the file says it neither way.
        """
        stored = self.file.info().get("observed_type")
        if isinstance(stored, list) and all(isinstance(name, str) for name in stored):
            return stored
        bias = (self.file.weights() or {}).get(BIAS)
        if bias is None:
            raise ModelFileError(
                f"{self.path}: does not say which types its training data had, and has no energy "
                "bias that would"
            )
        names = names_or_numbers(self._type_map, len(bias))
        return by_atomic_number([n for n, b in zip(names, bias, strict=True) if abs(b) > _ZERO])

    def _owner_of(self, name: str) -> str:
        """The owner of a weight, which may be one of another model that is trained too."""
        term = _OF_TERM.match(name)
        models = (self._script or {}).get("models", ())
        place = int(term[1]) if term is not None else len(models)
        if place < len(models) and is_further(models[place]):
            name = _OF_TERM.sub("", name)
        return _owner(name)

    def _overview(self) -> list[str]:
        overview = _OVERVIEW if self.has_script else _WITHOUT_SCRIPT
        return [part for part in overview if part != "size" or self.file.weights() is not None]

    def _section(self, key: str) -> dict:
        if self._script is None:
            raise ModelFileError(
                f"{self.path}: has no training script, so its {key} section is not known"
            )
        if key not in self._script:
            raise ModelFileError(f"{self.path}: its training script has no section model/{key}")
        kind, models = combination_of(self._script), self._script.get("models", ())
        further = {place: part["section"] for place, part in enumerate(models) if is_further(part)}
        if kind is None or not further:
            return self._script[key]
        trained = {trained_place({"model": self._script}): self._script, **further}
        return {
            kind.where(place).removeprefix("model/"): trained[place][key]
            for place in sorted(trained)
        }


# What `deepattn show` can be asked for.
PARTS: dict[str, Callable[[Inspection], object]] = {
    "type-map": Inspection.type_map,
    "descriptor": Inspection.descriptor,
    "fitting-net": Inspection.fitting_net,
    "size": Inspection.size,
    "weights": Inspection.weights,
    "type-embedding": Inspection.type_embedding,
    "observed-type": Inspection.observed_type,
}

_OVERVIEW = ("type-map", "descriptor", "fitting-net", "size")
_WITHOUT_SCRIPT = ("type-map", "size")


def _owner(name: str) -> str:
    if _OF_TERM.match(name):
        # As statistics they are not trained.
        return "statistics"
    if name.endswith(("/davg", "/dstd")):
        return "statistics"
    return next((o for start, o in _OWNERS.items() if name.startswith(start)), "fitting net")
