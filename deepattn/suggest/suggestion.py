"""From data to an input file: all rules together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from deepattn.config import read_input, upgrade
from deepattn.errors import DataError
from deepattn.suggest import cutoff, descriptor, length, loss, nets, sampling
from deepattn.suggest.choice import Choice, merged
from deepattn.suggest.facts import Facts
from deepattn.suggest.survey import survey_data
from deepattn.suggest.timing import StepTime, time_steps

_SECTIONS = ("model", "learning_rate", "loss", "training")

Clock = Callable[[dict[str, Any], Facts], StepTime]


@dataclass(frozen=True)
class Suggestion:
    """An input and its reasons.

    Attributes:
        content: The input, version 2, without comments.
        choices: What it is made of, in the order of the sections.
    """

    content: dict[str, Any]
    choices: tuple[Choice, ...]


def suggest_input(
    data: Sequence[str],
    *,
    valid: Sequence[str] = (),
    minutes: float = 30.0,
    type_map: Sequence[str] | None = None,
) -> Suggestion:
    """Look at data, measure a few training steps, and choose every setting of a training.

    Args:
        data: Where to look for training systems, at any depth.
        valid: The same for validation systems. Without any there is no validation; no frames are
            taken from the training data.
        minutes: Time for the training on this machine.
        type_map: Names of the types; by default those of the data that occur.

    Raises:
        DataError: The data cannot be read, have no labels, no names of types, or no neighbors.

    Example:
        >>> suggestion = suggest_input(["data/train"], valid=["data/valid"], minutes=20)
        >>> write_input(suggestion, "input.json")
    """
    facts = survey_data(data, type_map=type_map)
    held_out = survey_data(valid, type_map=type_map) if valid else None
    return choose(facts, held_out, minutes=minutes, clock=time_steps)


def choose(facts: Facts, valid: Facts | None, *, minutes: float, clock: Clock) -> Suggestion:
    """Apply the rules.

    Args:
        facts: The training data.
        valid: The validation data, or None.
        minutes: Time for the training.
        clock: Gives the time of a step of an input.

    Raises:
        DataError: The data have no labels or no neighbors.
    """
    if not any(most for _, most in facts.neighbors.values()):
        raise DataError(
            f"{', '.join(facts.sources)}: no atom has a neighbor within "
            f"{max(cutoff.CUTOFFS):g} Å in {facts.sampled} frames; are the lengths in Å "
            "(deepattn check)?"
        )
    model = _model(facts, valid)
    training = (
        loss.prefactors(facts),
        length.learning_rate(),
        *sampling.training_data(facts),
    )
    trial = Choice({"training/numb_steps": 1}, "")
    time = clock(merged([*model, *training, trial]), facts)
    per_pass = sum(facts.batches(sampling.BATCH_ATOMS))
    number = length.steps(minutes, time, steps_per_pass=per_pass)
    count = number.values["training/numb_steps"]
    files = length.files(count)
    validation = sampling.validation_data(
        facts,
        valid,
        steps=count,
        evaluations=max(1, count // files.values["training/disp_freq"]),
    )
    choices = (*model, *training, *validation, number, files)
    tree = merged(choices)
    content = {section: tree[section] for section in _SECTIONS}
    # What cannot be trained must not be written.
    read_input(upgrade(content))
    return Suggestion(content, choices)


def _model(facts: Facts, valid: Facts | None) -> tuple[Choice, ...]:
    """The model section."""
    names = list(facts.elements)
    names += [name for name in (valid.elements if valid else ()) if name not in names]
    kind = descriptor.descriptor(replace(facts, elements=tuple(names)))
    types = Choice(
        {"model/type_map": names},
        "the elements that occur in the data; add others only if the model is to be fine-tuned on "
        "them later",
    )
    made = [types, *kind, cutoff.cutoff(facts), cutoff.slots(), nets.nets()]
    sections = [name for name, part in merged(made)["model"].items() if isinstance(part, dict)]
    return (*made, nets.precision(sections), nets.seeds(sections))
