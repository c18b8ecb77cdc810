"""The ways to fine-tune: what each adds to the input of a plain fine-tuning."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field

# Matrices that LoRA updates: all of the descriptor's and the fitting net's but the last.
MATRICES = ["filter_type_all/*", "attention_layer_*", "layer_?/matrix"]
LORA_RANK = 8


@dataclass(frozen=True)
class DataSet:
    """New data.

    Attributes:
        folder: Its folder with ``train`` and ``valid``, below that of all data.
        title: What it is.
        batch_size: As in an input.
        steps: Of a fine-tuning.
        strengths: Of each way, by its name (docs/keeps.md says how they were chosen).
    """

    folder: str
    title: str
    batch_size: str
    steps: int
    strengths: Mapping[str, float] = field(default_factory=dict)


SETS = {
    "molecules": DataSet(
        "organic/ethanol_methanol/mixed",
        "ethanol and methanol",
        "mixed:4",
        400,
        {"replay": 10, "l2_sp": 1, "ewc": 1000, "lora": 3e-3},
    ),
    "alloy": DataSet(
        "monbtaw/mixed",
        "Nb-Mo-Ta-W",
        "mixed:1",
        200,
        {"replay": 10, "l2_sp": 10, "ewc": 1000, "lora": 1e-3},
    ),
}
# What the strength of a way is.
WAYS = {
    "plain": "-",
    "replay": "factor of the loss on old frames",
    "l2_sp": "strength",
    "ewc": "strength",
    "lora": "learning rate of the first step",
}
START_LR = 3e-4
# Of the steps of a replay, those on old frames.
REPLAYED = 1 / 3
# For short trainings: energies count from the first step on, forces to the last.
LOSS = {"start_pref_e": 1, "limit_pref_e": 5, "start_pref_f": 100, "limit_pref_f": 20}


def make_input(
    way: str,
    strength: float,
    data: DataSet,
    *,
    model: Mapping,
    new: Sequence[str],
    old: Sequence[str],
    seed: int,
) -> dict:
    """The input of a fine-tuning.

    Args:
        way: One of `WAYS`.
        strength: What `WAYS` says.
        data: The new data.
        model: Section of the pretrained model.
        new: Systems to learn from.
        old: Systems to keep, labeled by the pretrained model.
        seed: Of the order of the frames.
    """
    rate = strength if way == "lora" else START_LR
    training_data = {"systems": list(new), "batch_size": data.batch_size}
    training = {
        "training_data": training_data,
        "numb_steps": data.steps,
        "disp_freq": data.steps,
        "save_freq": data.steps,
        "seed": seed,
    }
    finetune = {
        "l2_sp": {"l2_sp": strength},
        "ewc": {"ewc": {"strength": strength, "systems": list(old)}},
        "lora": {"lora": {"matrices": MATRICES, "rank": LORA_RANK}},
    }
    if way in finetune:
        training["finetune"] = finetune[way]
    content = {
        "model": deepcopy(dict(model)),
        "learning_rate": {
            "type": "exp",
            "start_lr": rate,
            "stop_lr": rate / 100,
            "decay_steps": max(data.steps // 50, 1),
        },
        "loss": LOSS,
        "training": training,
    }
    return _with_replay(content, strength, data, old) if way == "replay" else content


def _with_replay(content: dict, factor: float, data: DataSet, old: Sequence[str]) -> dict:
    """The input with the old frames as a second branch, which shares the whole model.

    There are as many steps on new frames as in the other ways.
    """
    model, training = content["model"], content["training"]
    branch = {"type_map": "types", "descriptor": "net", "fitting_net": "fit"}
    shared = {
        "types": model.pop("type_map"),
        "net": model.pop("descriptor"),
        "fit": model.pop("fitting_net"),
    }
    names = ("new", "old")
    content["model"] = {
        **model,
        # That of the graph; a multi-task input has another by default.
        "convention": "tensorflow",
        "shared_dict": shared,
        "model_dict": {name: {**branch, "finetune_head": "Default"} for name in names},
    }
    loss = content.pop("loss")
    scaled = {name: factor * prefactor for name, prefactor in loss.items()}
    content["loss_dict"] = {"new": loss, "old": scaled}
    section = training.pop("training_data")
    training["data_dict"] = {
        "new": {"training_data": section},
        "old": {"training_data": {"systems": list(old), "batch_size": "mixed:2"}},
    }
    training["model_prob"] = {"new": 1 - REPLAYED, "old": REPLAYED}
    training["numb_steps"] = round(data.steps / (1 - REPLAYED))
    return content
