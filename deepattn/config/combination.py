"""Types of models that are made of several models."""

from __future__ import annotations

import abc
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from dargs import Argument

from deepattn.config.argument import Internal, Refused
from deepattn.config.constraints import require
from deepattn.config.submodel import FURTHER, SUBMODELS, FurtherConfig
from deepattn.registry import Registry

# Keys of one of the models.
_OF_ONE = re.compile(r"model/models/(\d+)(?:/section)?(/.+)?")
# Completes the section of a model at a path of the input.
Complete = Callable[[Mapping[str, Any], str], dict[str, Any]]


class Combination(abc.ABC):
    """A type of model that is made of several.

    The rest of the program reads one form of them: the keys of the first trained model are at the
    top of the section, ``models`` has a section of a `deepattn.config.submodel.SubModelConfig` for
    each, and ``weights`` their factors.

    Class attributes:
        doc: Description of the type.
        further: Type of the sections of trained models after the first.
        model: Reference ``"module:class"`` to the class of such models; None for that of the
            fitting.
        other_backends: Why other backends of DeePMD-kit cannot have a model of the convention
            ``tensorflow``, for messages.
        common: Keys that all models have together, at the top of the section.
        shares_type_embedding: Whether all models have one type embedding, that of the section.
        of_residues: Whether the atomic parameter is the residue of an atom, of whose parts models
            are evaluated.
    """

    doc: ClassVar[str]
    further: ClassVar[str] = FURTHER
    model: ClassVar[str | None] = None
    other_backends: ClassVar[str]
    common: ClassVar[tuple[str, ...]] = ("type_map",)
    shares_type_embedding: ClassVar[bool] = False
    of_residues: ClassVar[bool] = False

    @classmethod
    @abc.abstractmethod
    def arguments(cls, combined: Sequence[Argument]) -> list[Argument]:
        """The keys of the type in the schema, without those of the first trained model.

        Args:
            combined: ``models`` and ``weights``.
        """

    @classmethod
    @abc.abstractmethod
    def flatten(
        cls, section: Mapping[str, Any], defaults: Mapping[str, Any], complete: Complete
    ) -> Mapping[str, Any]:
        """A ``model`` section in the form of the class's docstring; one in that form stays as it
        is.

        Args:
            section: As a file has it; its values may be anything.
            defaults: Values of keys that mean nothing at the top of such a section.
            complete: Completes a further trained model.

        Raises:
            ConfigError: The models cannot be combined.
        """

    @classmethod
    @abc.abstractmethod
    def nested(cls, section: Mapping[str, Any]) -> dict[str, Any]:
        """The reverse of `flatten`, which DeePMD-kit reads."""

    @classmethod
    @abc.abstractmethod
    def where(cls, place: int) -> str:
        """The path in the input of the model at a place."""

    @classmethod
    def in_input(cls, path: str, place: int) -> str:
        """The path in the input of a key of the form in the class's docstring.

        Args:
            path: Its path in that form, such as ``model/models/1/section/descriptor/rcut``.
            place: The place of the first trained model.
        """
        one = _OF_ONE.fullmatch(path)
        if one is not None:
            return cls.where(int(one[1])) + (one[2] or "")
        own = path.removeprefix("model/")
        if own.partition("/")[0] in ("type", "models", "weights", *cls.common):
            return path
        return f"{cls.where(place)}/{own}"

    @classmethod
    @abc.abstractmethod
    def as_common(
        cls, section: Mapping[str, Any], common: Callable[[Mapping[str, Any]], dict[str, Any]]
    ) -> dict[str, Any]:
        """The section of a file with the convention ``common``.

        Args:
            section: The section; its values may be anything.
            common: Gives a model the convention.

        Raises:
            ConfigError: There are no such models.
        """

    @classmethod
    @abc.abstractmethod
    def check_network(cls, section: Mapping[str, Any], where: str, convention: str) -> None:
        """Check a trained model beyond what holds in every combination.

        Args:
            section: Its complete section.
            where: Its path.
            convention: Its convention.

        Raises:
            ConfigError: It cannot be combined.
        """


COMBINATIONS: Registry[Combination] = Registry(
    "combination of models",
    "deepattn.combinations",
    {
        "linear_ener": "deepattn.config.linear:Linear",
        "pairwise_dprc": "deepattn.pairwise.config:PairwiseDprc",
    },
)


def combination_of(section: Any) -> type[Combination] | None:
    """The combination that a ``model`` section, which may be anything, describes; None for one
    model."""
    kind = section.get("type") if isinstance(section, Mapping) else None
    return COMBINATIONS[kind] if isinstance(kind, str) and kind in COMBINATIONS else None


def is_further(part: Mapping[str, Any]) -> bool:
    """Whether a complete section of ``models`` is of a model that is trained after the first."""
    return issubclass(SUBMODELS[part["type"]], FurtherConfig)


def is_idle(key: str, value: Any, defaults: Mapping[str, Any]) -> bool:
    """Whether a key of all models says nothing where it is, as DeePMD-kit completes sections."""
    return value in (None, {}, []) or (key in defaults and value == defaults[key])


def resolve_weights(section: dict[str, Any]) -> None:
    """Put numbers in the place of ``sum`` and ``mean`` in a complete section.

    Raises:
        ConfigError: ``weights`` is another word.
    """
    count, weights = len(section["models"]), section["weights"]
    if isinstance(weights, str):
        named = {"sum": 1.0, "mean": 1 / max(count, 1)}
        require(weights in named, "model/weights", weights, "be sum, mean or a list of numbers")
        section["weights"] = [named[weights]] * count


def choices(combined: Sequence[Argument], parts: Sequence[Argument]) -> list[Argument]:
    """The schemas of all combinations.

    Args:
        combined: The arguments ``models`` and ``weights``.
        parts: Those of the first trained model, which no file has at the top.
    """
    at_the_top = [part if isinstance(part, Refused) else Internal.of(part) for part in parts]
    return [
        Argument(name, dict, [*kind.arguments(combined), *at_the_top], doc=kind.doc)
        for name, kind in COMBINATIONS.loaded().items()
    ]
