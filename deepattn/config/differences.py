"""Differences of two configurations, and whether two models with equal weights are equal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from deepattn.config.model import ModelConfig
from deepattn.config.section import flat, thaw
from deepattn.errors import show

# Keys that affect how weights are found, and the precision of computing with them.
_OF_TRAINING = {
    "atom_ener",
    "data_bias_nsample",
    "data_stat_nbatch",
    "data_stat_protect",
    "default_fparam",
    "precision",
    "preset_out_bias",
    "rcond",
    "seed",
    "set_davg_zero",
    "trainable",
    "trainable_ln",
    "update_residual",
    "update_residual_init",
}
# Not compared: keys that the weights determine (a bias), and keys with rules of their own.
_SETTLED = {
    "convention",
    "descriptor/sel",
    "descriptor/type",
    "type_embedding/use_tebd_bias",
    "type_map",
}
# That a message names.
_MOST = 6


class Difference(NamedTuple):
    """A key with two values; None stands for a key that one side lacks.

    Attributes:
        key: Its path.
        stored: The earlier value.
        given: The value of the input.
    """

    key: str
    stored: Any
    given: Any

    def __str__(self) -> str:
        if self.key.rpartition("/")[2] == "systems":
            return f"{self.key}: {_lists(self.stored, self.given)}"
        return f"{self.key}: {' -> '.join(self.shown)}"

    @property
    def shown(self) -> tuple[str, str]:
        """The two values as messages show them."""
        stored, given = ("unset" if v is None else show(thaw(v)) for v in (self.stored, self.given))
        return stored, given


def model_differences(
    stored: ModelConfig, given: ModelConfig
) -> tuple[list[Difference], list[Difference]]:
    """Compare the models that a file and an input describe.

    Type maps, conventions and a ``sel`` that may change, as of DPA-1 and se_e2_a, are left out:
    whether these change a model is determined by its weights.

    Args:
        stored: The model section of the file.
        given: That of the input.

    Returns:
        Differences that make another function of the same weights, or ask for other weights; and
        those that do not: How statistics and initial weights are found, what is trained, the
        precision of the arithmetic, and keys without effect in both.
    """
    if stored.descriptor.layer != given.descriptor.layer:
        names = [section.descriptor.type for section in (stored, given)]
        return [Difference("descriptor/type", *names)], []
    ours, theirs = (_functional(section) for section in (given, stored))
    idle = _idle(stored) & _idle(given)
    settled = _SETTLED - ({"descriptor/sel"} if given.descriptor.fixed_slots else set())
    changes, remarks = [], []
    for difference in _differences(theirs, ours):
        key, stored_value, value = difference
        if key in settled or (key.endswith("/seed") and value is None):
            continue
        # With any atom_ener the net's value for an isolated atom is subtracted.
        other = key == "fitting_net/atom_ener" and bool(stored_value) != bool(value)
        if not other and (_OF_TRAINING & set(key.split("/")) or key in idle):
            remarks.append(difference)
        else:
            changes.append(difference)
    return changes, remarks


def section_differences(stored: Mapping[str, Any], given: Mapping[str, Any]) -> list[Difference]:
    """Compare two normalized inputs, except for the model.

    Args:
        stored: The earlier input.
        given: The new one.
    """
    parts = ({k: v for k, v in data.items() if k != "model"} for data in (stored, given))
    return list(_differences(*map(flat, parts)))


def _differences(stored: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[Difference]:
    for key in dict.fromkeys((*stored, *given)):
        values = stored.get(key), given.get(key)
        if values[0] != values[1]:
            yield Difference(key, *values)


def _functional(model: ModelConfig) -> dict[str, Any]:
    """The values by key, in a form in which equal models are equal."""
    return {key: _in_order(key, value) for key, value in flat(model).items()}


def _in_order(key: str, value: Any) -> Any:
    """A value with its types and pairs of types in one order, where their order means nothing."""
    name = key.rpartition("/")[2]
    if name in ("exclude_types", "pair_exclude_types"):
        return tuple(sorted({tuple(sorted(pair)) for pair in value}))
    return tuple(sorted(set(value))) if name == "atom_exclude_types" else value


def _idle(model: ModelConfig) -> set[str]:
    """Keys that have no effect in a model."""
    return {f"descriptor/{key}" for key in model.descriptor.idle_keys()}


def _lists(stored: Any, given: Any) -> str:
    """How a list of folders has changed."""
    stored, given = (list(value or ()) for value in (stored, given))
    gone = [f"-{name}" for name in stored if name not in given]
    new = [f"+{name}" for name in given if name not in stored]
    shown = (gone + new)[:_MOST]
    left = len(gone) + len(new) - len(shown)
    more = [f"and {left} more"] if left else []
    return ", ".join(shown + more) or "in another order"


def enumerate_differences(differences: list[Difference], say: Callable[[Difference], str]) -> str:
    """Format several differences as a phrase.

    Args:
        differences: At least one.
        say: Words one of them.
    """
    left = len(differences) - _MOST
    return "; ".join(map(say, differences[:_MOST])) + (f"; and {left} more" if left > 0 else "")
