"""Archives of Keras (``.keras``): models that ``model.save`` wrote."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deepattn import limits
from deepattn.config import FITTINGS, FittingConfig
from deepattn.config.observable import Observable
from deepattn.errors import ModelFileError
from deepattn.formats.hdf5 import SIGNATURE, check_heaps
from deepattn.formats.weight_names import is_first_slots
from deepattn.models.classes import layer_classes, model_classes, term_classes
from deepattn.models.files.base import ModelFile
from deepattn.registry import resolve

if TYPE_CHECKING:
    from deepattn.models.atomic_model import AtomicModel

_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
# Of Keras' own classes a model has these.
_OF_KERAS = ("DTypePolicy",)


class KerasArchive(ModelFile):
    """A model of deepattn as Keras saves it.

    It can be evaluated. It does not hold the model section of an input, which all other files of
    deepattn need.

    Attributes:
        config: what Keras makes the model from.
    """

    kind = "an archive of Keras"
    suffixes = (".keras",)

    def __init__(self, path: Path, content: bytes) -> None:
        super().__init__(path, content)
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                if sum(info.file_size for info in archive.infolist()) > _largest(content):
                    raise ValueError("it unpacks to more than a model could hold")
                self.config = json.loads(archive.read(_CONFIG))
                self._weights = archive.read(_WEIGHTS)
            limits.check_depth(self.config)
            if not isinstance(self.config, dict) or not isinstance(self.config["config"], dict):
                raise ValueError(f"{_CONFIG} in it is not the configuration of a model")
            if not self._weights.startswith(SIGNATURE):
                raise ValueError(f"{_WEIGHTS} in it is not an HDF5 file")
            check_heaps(self._weights)
        # A damaged archive makes the library raise nearly anything.
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ModelFileError(
                f"{path}: is not a well-formed archive of Keras: {reason}"
            ) from None
        if self.config.get("registered_name") not in _models():
            raise ModelFileError(f"{path}: holds a model of Keras, but not one of deepattn")

    @classmethod
    def recognizes(cls, path: Path, start: bytes) -> bool:
        # Keras writes its three files without folders, the metadata first.
        return start.startswith(b"PK\x03\x04") and start[30:43] == b"metadata.json"

    def type_map(self) -> list[str]:
        names = self.config["config"].get("type_map")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ModelFileError(f"{self.path}: {_CONFIG} in it has no type_map")
        return names[: len(self._spin["use_spin"])] if self._takes_moments else names

    @property
    def moments(self) -> int:
        return 0 if self._takes_moments else self._spin["use_spin"].count(True)

    @property
    def _takes_moments(self) -> bool:
        """Whether virtual atoms are made of moments, so that data have no types for them."""
        return self._spin.get("virtual_scale") is not None

    @property
    def _spin(self) -> dict[str, Any]:
        """The section ``model/spin``, without moments if there is none."""
        spin = self.config["config"].get("spin")
        well_formed = isinstance(spin, dict) and isinstance(spin.get("use_spin"), list)
        return spin if well_formed else {"use_spin": []}

    def model_section(self) -> dict[str, Any] | None:
        return None

    @property
    def fitting_kind(self) -> type[FittingConfig]:
        fitting = self.config["config"].get("fitting")
        name = fitting.get("registered_name") if isinstance(fitting, dict) else None
        for kind in FITTINGS.loaded().values():
            if isinstance(name, str) and kind.layer.rpartition(":")[2] == name.rpartition(">")[2]:
                return kind
        raise self._unknown(fitting if isinstance(fitting, dict) else {})

    @property
    def observable(self) -> Observable | None:
        found = self.config["config"].get("observable")
        try:
            return None if found is None else Observable(*found)
        except TypeError:
            raise ModelFileError(f"{self.path}: {_CONFIG} in it is damaged") from None

    def weights(self) -> Mapping[str, np.ndarray]:
        arrays = self.build().get_arrays()
        return {name: array for name, array in arrays.items() if not is_first_slots(name)}

    def build(self) -> AtomicModel:
        import keras

        from deepattn.models.atomic_model import AtomicModel

        # So that Keras knows the names in the archive, and imports nothing for them.
        for reference in (*layer_classes(), *model_classes(), *term_classes()):
            resolve(reference)
        self._check_classes()
        config = {key: value for key, value in self.config.items() if key != "compile_config"}
        try:
            model = keras.saving.deserialize_keras_object(config, safe_mode=True)
            if not isinstance(model, AtomicModel):
                raise ValueError("it holds no model of deepattn")
            model.build()
            with tempfile.TemporaryDirectory() as folder:
                weights = Path(folder) / _WEIGHTS
                weights.write_bytes(self._weights)
                model.load_weights(weights)
        # A damaged archive makes Keras raise nearly anything.
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ModelFileError(f"{self.path}: the model cannot be built: {reason}") from None
        return model

    def _unknown(self, item: Mapping[str, Any]) -> ModelFileError:
        """The error for an object of a class that is not known."""
        name = item.get("registered_name") or item.get("class_name")
        return ModelFileError(
            f"{self.path}: refused: it is made of the class {name}, which is not known here"
        )

    def _check_classes(self) -> None:
        """Refuse classes that are not known, which Keras would import.

        Raises:
            ModelFileError: there is one.
        """
        import keras

        for item in _classes(self.config.get("config")):
            name = item.get("registered_name")
            own = isinstance(name, str) and keras.saving.get_registered_object(name) is not None
            of_keras = name is None and item.get("module") == "keras"
            if not own and not (of_keras and item["class_name"] in _OF_KERAS):
                raise self._unknown(item)


def _models() -> set[str]:
    """The names that Keras has for the classes of models."""
    return {f"deepattn>{reference.rpartition(':')[2]}" for reference in model_classes()}


def _classes(value: Any) -> Iterator[dict[str, Any]]:
    """All mappings in a configuration that name a class."""
    if isinstance(value, dict):
        if "class_name" in value:
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _classes(item)


def _largest(content: bytes) -> int:
    """How many bytes an archive may unpack to: Keras does not compress weights."""
    return 4 * len(content) + (1 << 20)
