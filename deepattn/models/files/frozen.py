"""Frozen graphs (``.pb``): run as they are, or rebuilt from their weights and training script."""

from __future__ import annotations

import copy
import dataclasses
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deepattn import limits
from deepattn.config import DESCRIPTORS, FittingConfig, ModelConfig, normalize_model
from deepattn.config.fitting import kind_of_graph
from deepattn.config.observable import Observable
from deepattn.config.submodel import STANDARD
from deepattn.errors import ConfigError, ModelFileError
from deepattn.formats.frozen import FrozenModel, parse_frozen
from deepattn.formats.weight_names import BIAS, OUT_BIAS, OUT_STD, from_graph, of_model
from deepattn.models.files.base import ModelFile, StoredModel
from deepattn.models.files.pair_tables import refuse_shared_slots
from deepattn.models.weights import refuse_automatic, refuse_scaled, refuse_uneven
from deepattn.registry import resolve

if TYPE_CHECKING:
    from typing_extensions import Self

# The first node of a graph: field 1, its length, then the node's name, which is field 1 of it.
_FIRST_NODE = re.compile(rb"\n[\x80-\xff]{0,4}[\0-\x7f]\n([\x80-\xff]?[\0-\x7f])([\w.][\w.\\/>-]*)")
_BIAS_OF_NET = re.compile(r"filter_type_\w+/bias_\d")


class FrozenFile(ModelFile):
    """A frozen graph of DeePMD-kit or of deepattn.

    Attributes:
        frozen: the graph and what it says of itself.
    """

    kind = "a frozen graph"
    suffixes = (".pb",)
    runs_as_it_is = True

    def __init__(self, path: Path, content: bytes) -> None:
        super().__init__(path, content)
        self.frozen = parse_frozen(content, path)
        try:
            self._fitting_kind = kind_of_graph(self.frozen.kind)
        except ConfigError as error:
            raise ModelFileError(f"{path}: {error}") from None

    @classmethod
    def recognizes(cls, path: Path, start: bytes) -> bool:
        return _FIRST_NODE.match(start) is not None

    def type_map(self) -> list[str]:
        return list(self.frozen.type_map)

    @property
    def moments(self) -> int:
        return self.frozen.ntypes_spin

    def model_section(self) -> dict[str, Any] | None:
        return (self.frozen.training_script or {}).get("model")

    def weights(self) -> Mapping[str, np.ndarray]:
        trained = trained_place(self.frozen.training_script)
        arrays = {
            name.removeprefix(of_model("", trained)): array
            for name, array in self.frozen.weights.items()
        }
        return {n: a for n, a in arrays.items() if not is_unused_time_step(n, arrays)}

    @property
    def fitting_kind(self) -> type[FittingConfig]:
        return self._fitting_kind

    @property
    def observable(self) -> Observable | None:
        try:
            found = self.fitting_kind.observable_of_graph(self.frozen.graph.attr)
        except (TypeError, ValueError):
            found = Observable("")
        ntypes = self.frozen.ntypes
        if found is not None and not (
            found.name
            and 0 < found.width <= limits.WIDTH
            and all(0 <= kind < ntypes for kind in found.types or ())
        ):
            raise ModelFileError(f"{self.path}: does not tell what it gives; the file is damaged")
        return found

    def energy_bias(self) -> np.ndarray:
        refuse_scaled(self.frozen.weights, self.path)
        self.refuse_several_biases(self.frozen.weights)
        self.refuse_observables()
        if BIAS not in self.frozen.weights or not self.frozen.graph.consumers(BIAS):
            raise ModelFileError(
                f"{self.path}: keeps its energy bias in its last layers, as DeePMD-kit did before "
                "2.2; it can be changed by fine-tuning only"
            )
        return self.frozen.weights[BIAS] + self._out_bias()

    def with_energy_bias(self, bias: np.ndarray) -> Self:
        graph = self.frozen.graph.with_constant(BIAS, bias - self._out_bias())
        weights = {**self.frozen.weights, BIAS: graph.constants()[BIAS]}
        return self._copy(frozen=dataclasses.replace(self.frozen, graph=graph, weights=weights))

    def encode(self, target: Path) -> bytes:
        return self.frozen.graph.serialize()

    def _out_bias(self) -> np.ndarray | float:
        """The second bias that some graphs add."""
        weights = self.frozen.weights
        return weights[OUT_BIAS].reshape(-1) if OUT_BIAS in weights else 0.0

    def _stored(self) -> StoredModel:
        config, arrays = _rebuilt(self.frozen, self.path, self.fitting_kind)
        script = {**(self.frozen.training_script or {}), "model": config.to_dict()}
        header = {"config": script, "min_nbor_dist": self.frozen.min_nbor_dist}
        return StoredModel(config, arrays, self.frozen.interface_dtype, header)


def _rebuilt(
    frozen: FrozenModel, path: Path, kind: type[FittingConfig]
) -> tuple[ModelConfig, dict[str, np.ndarray]]:
    """Configuration and weights of a graph, in the form of today's models.

    Raises:
        ModelFileError: the graph is compressed, has no training script, or is of a kind that
            cannot be rebuilt.
    """
    if frozen.model_type == "compressed_model":
        raise ModelFileError(
            f"{path}: is compressed, and its tables cannot be turned back into weights; "
            "use the model it was compressed from"
        )
    section = (frozen.training_script or {}).get("model") or _section_of_graph(frozen)
    if section is None:
        raise ModelFileError(
            f"{path}: carries no training script; only files written by DeePMD-kit 2.1.5 or "
            "later, or by deepattn, can be rebuilt"
        )
    refuse_shared_slots(frozen, path)
    section = copy.deepcopy(section)
    # Types without names are numbers only.
    section.pop("type_map", None)
    if frozen.type_map:
        section["type_map"] = frozen.elements
    try:
        section = ModelConfig.flatten(normalize_model(section))
    except ConfigError as error:
        raise ModelFileError(f"{path}: its training script cannot be used: {error}") from error
    if frozen.sel and "sel" in section["descriptor"]:
        sel = frozen.sel
        mixed = DESCRIPTORS[section["descriptor"]["type"]].mixed_types
        section["descriptor"]["sel"] = sum(sel) if mixed else sel[: len(sel) - frozen.ntypes_spin]
    if section.get("type_embedding"):
        # DeePMD-kit before 3.0 always had the bias, and its scripts do not say so.
        biased = any(name.endswith("type_embed_net/bias_1") for name in frozen.weights)
        section["type_embedding"]["use_tebd_bias"] = biased
    if sum((section.get("spin") or {}).get("use_spin", ())) != frozen.ntypes_spin:
        raise ModelFileError(
            f"{path}: has {frozen.ntypes_spin} types of virtual atoms, which is not what "
            "model/spin in its training script says"
        )
    config = ModelConfig.from_dict(section)
    trained = of_model("", config.place)
    arrays = {name.removeprefix(trained): a for name, a in frozen.weights.items()}
    arrays = {n: a for n, a in arrays.items() if n not in config.descriptor.idle_weights}
    arrays = _weights(frozen, arrays, path, kind)
    for place in config.further:
        prefix = of_model("", place)
        own = {name: array for name, array in arrays.items() if name.startswith(prefix)}
        arrays = {name: array for name, array in arrays.items() if name not in own}
        own = {name.removeprefix(prefix): array for name, array in own.items()}
        own = _weights(frozen, own, path, kind)
        arrays |= {prefix + name: array for name, array in own.items()}
    for place, model in enumerate(config.models):
        prefix = of_model("", place)
        if model.layer is not None and not any(name.startswith(prefix) for name in arrays):
            where = config.in_input(f"model/models/{place}")
            raise ModelFileError(
                f"{path}: does not have the numbers of {where} by name, so that it can be "
                "evaluated, but not rebuilt"
            )
    if type(config.fitting_net) is not kind:
        raise ModelFileError(
            f"{path}: is a graph of {kind.subject}, but its training script has the fitting "
            f"{config.fitting_net.type}"
        )
    refuse_automatic(config, path)
    first = config.descriptor.first_slots()
    arrays |= {name: np.asarray(slots, np.int32) for name, slots in first.items()}
    for name in frozen.graph.nodes:
        plain = from_graph(name)
        if not name.endswith("/original_sel") or not frozen.integers(name):
            continue
        own_name = plain.removeprefix(trained)
        of_another = name != plain == own_name
        if own_name in first or of_another:
            arrays[own_name] = np.asarray(frozen.integers(name), np.int32)
    refuse_uneven(config, arrays, path)
    return config, arrays


def _section_of_graph(frozen: FrozenModel) -> dict[str, Any] | None:
    """The section of a graph without a training script, if a descriptor can tell it."""
    readers = [kind.section_of_graph for kind in DESCRIPTORS.loaded().values()]
    found = (resolve(reader)(frozen) for reader in readers if reader is not None)
    return next((section for section in found if section is not None), None)


def _weights(
    frozen: FrozenModel, arrays: dict[str, np.ndarray], path: Path, kind: type[FittingConfig]
) -> dict[str, np.ndarray]:
    """Weights without the constants that mean nothing, the output bias added to the other."""
    refuse_scaled(arrays, path)
    arrays.pop(OUT_STD, None)
    if kind.of_graph is not None:
        is_used = partial(_is_used, frozen)
        arrays = resolve(kind.of_graph)(arrays, is_used, ntypes=frozen.ntypes)
    # Graphs before DeePMD-kit 2.1 have biases of embedding nets as rows.
    arrays = {n: a.reshape(-1) if _BIAS_OF_NET.search(n) else a for n, a in arrays.items()}
    return {n: a for n, a in arrays.items() if not is_unused_time_step(n, arrays)}


def _is_used(frozen: FrozenModel, name: str) -> bool:
    """Whether the graph computes with a constant."""
    return name in frozen.graph.nodes and bool(frozen.graph.consumers(name))


def trained_place(script: Mapping[str, Any] | None) -> int:
    """The place of the trained model among those that an input combines; 0 if there is one model.

    Args:
        script: The input, which may hold anything.
    """
    model = (script or {}).get("model")
    models = model.get("models") if isinstance(model, dict) else None
    parts = models if isinstance(models, list) else []
    kinds = [part.get("type", STANDARD) if isinstance(part, dict) else None for part in parts]
    return kinds.index(STANDARD) if STANDARD in kinds else 0


def is_unused_time_step(name: str, arrays: dict[str, np.ndarray]) -> bool:
    """Whether ``name`` is the time step of an embedding layer without residual connection.

    Writers add these to please a loader; the layer's widths show that nothing uses them.
    """
    scope, _, leaf = name.rpartition("/")
    if not leaf.startswith("idt_") or scope.startswith(("layer_", "share_")):
        return False
    rows, columns = arrays[f"{scope}/{leaf.replace('idt', 'matrix', 1)}"].shape
    return columns not in (rows, 2 * rows)
