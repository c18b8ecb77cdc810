"""Advice about learning rate and length, given before a training starts."""

from __future__ import annotations

from deepattn.config import OptimizerConfig, ScheduleConfig

_MANY_PASSES = 1000


def advice(
    optimizer: OptimizerConfig, *, start_lr: float, numb_steps: int, steps_per_pass: int, key: str
) -> list[str]:
    """Concerns about the learning rate and the length of a fine-tuning, one line each.

    Args:
        optimizer: what makes the steps.
        start_lr: learning rate of the first step.
        numb_steps: steps to make.
        steps_per_pass: steps that draw as many frames as there are.
        key: what the input gives the length by, ``numb_steps`` or ``numb_epoch``.
    """
    if not numb_steps:
        return []
    lines = []
    safe = optimizer.safe_lr
    if safe is not None and start_lr > safe:
        lines.append(
            f"learning_rate/start_lr is {start_lr:g}: {optimizer.type}'s first steps will undo "
            f"much of what the pretrained model knows; {safe:g} or less is safer"
        )
    passes = numb_steps / steps_per_pass
    if passes < 1:
        lines.append(
            f"training/{key} makes {numb_steps} steps, but it takes {steps_per_pass} to draw as "
            "many frames as the training data have; make more steps or larger batches"
        )
    if passes > _MANY_PASSES:
        lines.append(
            f"training/{key} makes {numb_steps} steps, so that a frame is seen about {passes:.0f} "
            f"times on average; {steps_per_pass * _MANY_PASSES} are plenty, and validation_data "
            "tell when the model begins to learn by heart"
        )
    return lines


def rate_advice(rate: ScheduleConfig) -> list[str]:
    """Concerns about a schedule of the learning rate, one line each."""
    if rate.stop_lr <= rate.start_lr:
        return []
    return [
        f"learning_rate/stop_lr is {rate.stop_lr:g}, above start_lr, which is {rate.start_lr:g}: "
        "the learning rate does not fall"
    ]
