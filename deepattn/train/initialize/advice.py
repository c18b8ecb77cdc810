"""Advice about an input, given before a training starts."""

from __future__ import annotations

from deepattn.config import ModelConfig, OptimizerConfig, ScheduleConfig

_MANY_PASSES = 1000


def advice(
    optimizer: OptimizerConfig, *, start_lr: float, numb_steps: int, steps_per_pass: int, key: str
) -> list[str]:
    """Concerns about the learning rate and the length of a fine-tuning, one line each.

    Args:
        optimizer: The optimizer.
        start_lr: Learning rate of the first step.
        numb_steps: Steps to make.
        steps_per_pass: Steps that draw as many frames as there are.
        key: Key by which the input gives the length, ``numb_steps`` or ``numb_epoch``.
    """
    if not numb_steps:
        return []
    lines = []
    safe = optimizer.safe_lr
    if safe is not None and start_lr > safe:
        lines.append(
            f"learning_rate/start_lr is {start_lr:g}: the first steps of {optimizer.type} "
            f"will undo much of the pretraining; {safe:g} or less is safer"
        )
    passes = numb_steps / steps_per_pass
    if passes < 1:
        lines.append(
            f"training/{key} gives {numb_steps} steps, but one pass over the training data "
            f"takes {steps_per_pass}; use more steps or larger batches"
        )
    if passes > _MANY_PASSES:
        lines.append(
            f"training/{key} gives {numb_steps} steps, about {passes:.0f} passes over the "
            f"training data; {steps_per_pass * _MANY_PASSES} are plenty, and validation_data "
            "shows when the model starts to overfit"
        )
    return lines


def rate_advice(rate: ScheduleConfig) -> list[str]:
    """Concerns about a schedule of the learning rate, one line each."""
    if rate.stop_lr <= rate.start_lr:
        return []
    return [
        f"learning_rate/stop_lr is {rate.stop_lr:g}, above start_lr ({rate.start_lr:g}): the "
        "learning rate does not decrease"
    ]


def smoothness_advice(model: ModelConfig, *, new: bool) -> list[str]:
    """Concerns about molecular dynamics with a model, one line for each network.

    Args:
        model: Its section.
        new: Whether it starts from scratch, so that it may be another one.
    """
    lines = []
    for descriptor in (one.descriptor for one in (model, *model.further.values())):
        if descriptor.jump is None:
            continue
        line = (
            f"energies of this {descriptor.type} jump where an atom crosses the cutoff, so that "
            f"molecular dynamics does not conserve the energy: {descriptor.jump.why}"
        )
        lines.append(f"{line}; set {descriptor.jump.instead}" if new else line)
    return lines
