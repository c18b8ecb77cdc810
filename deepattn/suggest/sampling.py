"""The rules for batches and validation data."""

from __future__ import annotations

from pathlib import PurePath

from deepattn.suggest.choice import Choice
from deepattn.suggest.facts import Facts

# Atoms of a batch at least. With 48, errors of the energies of metals are up to twice as large.
BATCH_ATOMS = 64
# Atoms of a validation batch at least. There are no gradients of weights, so they may be larger.
_VALID_ATOMS = 600
# An evaluated atom costs about a third of a trained one, and evaluations may take a tenth of the
# time.
_EVALUATED = 0.3
_SET_ASIDE = {"valid", "validation", "val", "test"}


def training_data(facts: Facts) -> tuple[Choice, ...]:
    """Systems and batches of the training."""
    sizes = sorted(set(facts.batch_frames(BATCH_ATOMS)))
    each = "1 frame" if sizes == [1] else f"{sizes[0]} to {sizes[-1]} frames"
    if len(sizes) == 1 and sizes != [1]:
        each = f"{sizes[0]} frames"
    batch = Choice(
        {"training/training_data/batch_size": f"auto:{BATCH_ATOMS}"},
        f"as few frames as have {BATCH_ATOMS} atoms, here {each}: more atoms do not make better "
        "use of a core, and fewer steps fit into the time",
    )
    systems = Choice(
        {"training/training_data/systems": list(facts.sources)},
        facts.summary()
        + ("; DeePMD-kit does not read these files (deepattn convert)" if facts.foreign else ""),
    )
    notes = []
    if facts.parameters:
        notes.append(
            Choice(
                {},
                f"the data have {' and '.join(facts.parameters)}, which this model ignores; if "
                "energies depend on them, set numb_fparam or numb_aparam in model/fitting_net",
            )
        )
    return systems, batch, *notes


def validation_data(
    facts: Facts, valid: Facts | None, *, steps: int, evaluations: int
) -> tuple[Choice, ...]:
    """Systems and batches of the validation, if there are any.

    Args:
        facts: The training data.
        valid: The validation data, or None.
        steps: Steps of the training.
        evaluations: Lines of the learning curve.
    """
    if valid is None:
        return (Choice({}, _without_validation(facts)),)
    batches = sum(
        -(-frames // size)
        for frames, size in zip(valid.nframes, valid.batch_frames(_VALID_ATOMS), strict=True)
    )
    affordable = int(_EVALUATED * steps * _trained_atoms(facts) / evaluations / _VALID_ATOMS)
    count = max(1, min(batches, affordable))
    seen = "as many as the frames fill, so that each evaluation sees about all of them"
    if count < batches:
        seen = f"{count} of {batches} batches per evaluation, which take a tenth of the time"
    why = f"{valid.frames} frames; {seen}"
    unseen = [name for name in valid.elements if name not in facts.elements]
    if unseen:
        why += (
            f"; {', '.join(unseen)} {'occurs' if len(unseen) == 1 else 'occur'} only here: the "
            "model cannot learn them"
        )
    return (
        Choice(
            {
                "training/validation_data/systems": list(valid.sources),
                "training/validation_data/batch_size": f"auto:{_VALID_ATOMS}",
                "training/validation_data/numb_btch": count,
            },
            why,
        ),
    )


def _trained_atoms(facts: Facts) -> float:
    """Atoms of a training batch, on average."""
    batches, frames = facts.batches(BATCH_ATOMS), facts.batch_frames(BATCH_ATOMS)
    atoms = sum(b * f * n for b, f, n in zip(batches, frames, facts.natoms, strict=True))
    return atoms / sum(batches)


def _without_validation(facts: Facts) -> str:
    aside = next(
        (
            path
            for path in facts.paths
            if _SET_ASIDE & {part.lower() for part in PurePath(path).parts}
        ),
        None,
    )
    if aside is not None:
        return (
            f"no validation data were given, and {aside}, by its name meant for that, is trained "
            "on: give folders for training and, after --valid, those for validation"
        )
    return (
        "no validation data were given, and none are set aside, as frames of one trajectory are "
        "too similar to validate each other: move whole runs or compositions to another folder "
        "and give it after --valid, or overfitting cannot be noticed"
    )
