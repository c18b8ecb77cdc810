"""What to think of before a fine-tuning starts as the input has it."""

from __future__ import annotations

# Adam's first steps move every weight by about the learning rate, however small its gradient is;
# docs/training.md has measured what that does to a pretrained model.
_TOLERATED_LR = 1e-4
_MANY_PASSES = 1000


def advice(*, start_lr: float, numb_steps: int, steps_per_epoch: int) -> list[str]:
    """What speaks against the learning rate and the length of a fine-tuning, one line each.

    Args:
        start_lr: learning rate of the first step.
        numb_steps: steps to make.
        steps_per_epoch: steps until the training data have been seen once.
    """
    if not numb_steps:
        return []
    lines = []
    if start_lr > _TOLERATED_LR:
        lines.append(
            f"learning_rate/start_lr is {start_lr:g}: Adam's first steps will undo much of what "
            f"the pretrained model knows; {_TOLERATED_LR:g} or less keeps it"
        )
    passes = numb_steps / steps_per_epoch
    if passes < 1:
        lines.append(
            f"training/numb_steps is {numb_steps}, but it takes {steps_per_epoch} to see all "
            "training data once; make more steps or larger batches"
        )
    if passes > _MANY_PASSES:
        lines.append(
            f"training/numb_steps is {numb_steps}, so that every frame is seen about {passes:.0f} "
            f"times; {steps_per_epoch * _MANY_PASSES} are plenty, and validation_data tell when "
            "the model begins to learn by heart"
        )
    return lines
