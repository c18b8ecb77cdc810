"""The small DPA-2 model of `multi_task.py`, and its trainings on one or several data sets."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from command import check_folder
from training_run import LOSS, TrainingRun, rate_section, training_input

from deepattn.data import System, find_systems

# By branch: its folder, and how often a step draws it relative to the others. Alexandria's forces
# are almost zero, and HEA25 has 70 frames.
BRANCHES = {
    "mptrj": ("mptrj/mixed", 2),
    "alexandria": ("alexandria/mixed", 1),
    "tp": ("tp/mixed", 2),
    "hea25": ("hea25/mixed", 1),
}
# The branch that is the single task too, and whose fitting net a fine-tuning takes over.
SINGLE = "tp"
MULTI_TASK, SINGLE_TASK = "multi-task", "single-task"
BATCH = "auto:64"
DESCRIPTOR = {
    "type": "dpa2",
    "repinit": {
        "rcut": 5.0,
        "rcut_smth": 0.5,
        "nsel": 140,
        "neuron": [12, 24, 48],
        "axis_neuron": 6,
        "tebd_dim": 8,
        "tebd_input_mode": "strip",
    },
    "repformer": {
        "rcut": 4.0,
        "rcut_smth": 3.5,
        "nsel": 72,
        "nlayers": 2,
        "g1_dim": 48,
        "g2_dim": 12,
        "axis_neuron": 4,
        "update_g1_has_attn": False,
        "update_g2_has_g1g1": False,
        "update_g2_has_attn": False,
        "update_style": "res_residual",
        "update_residual": 0.01,
    },
    "precision": "float32",
}
FITTING_NET = {"neuron": [64, 64, 64], "precision": "float32"}


def model_section(type_map: Sequence[str], seed: int) -> dict:
    """The ``model`` section of one task."""
    return {
        "type_map": list(type_map),
        "descriptor": DESCRIPTOR | {"seed": seed},
        "fitting_net": FITTING_NET | {"seed": seed},
    }


def element_map(data: Path) -> list[str]:
    """The 86 elements of the sets, in their order.

    Args:
        data: Folder of all data sets.
    """
    return System(find_systems(str(data / BRANCHES[SINGLE][0]))[0]).data_type_map


def pretraining(way: str, data: Path, output: Path, *, steps: int, rate: float, seed: int):
    """The training on all branches, or on one.

    Args:
        way: `MULTI_TASK` or `SINGLE_TASK`.
        data: Folder of all data sets.
        output: Folder for the run.
        steps: Of the training.
        rate: The first learning rate.
        seed: Of initial weights and of the order of frames.

    Returns:
        The `TrainingRun`, which is tested on the validation frames of the single task.

    Raises:
        DataError: A data set is missing.
    """
    folders = {
        name: check_folder(data / folder, "give the folder of data sets with --data")
        for name, (folder, _) in BRANCHES.items()
    }
    config = training_input(
        model_section(element_map(data), seed),
        [str(folders[SINGLE] / "train")],
        batch_size=BATCH,
        steps=steps,
        rate=rate_section(rate),
        loss=LOSS,
        seed=seed,
    )
    if way == MULTI_TASK:
        config = _with_branches(config, folders)
    return TrainingRun(
        output / f"{way}-seed-{seed}",
        config,
        {SINGLE: find_systems(str(folders[SINGLE] / "valid"))},
        head=SINGLE if way == MULTI_TASK else None,
    )


def _with_branches(config: Mapping, folders: Mapping[str, Path]) -> dict:
    """The input of a single task, made one of several that share the descriptor."""
    model, training = dict(config["model"]), dict(config["training"])
    shared = {"elements": model.pop("type_map"), "descriptor": model.pop("descriptor")}
    branch = {"type_map": "elements", "descriptor": "descriptor", **model}
    data = training.pop("training_data")
    return {
        "model": {"shared_dict": shared, "model_dict": {name: branch for name in folders}},
        "learning_rate": config["learning_rate"],
        "loss_dict": {name: config["loss"] for name in folders},
        "training": training
        | {
            "data_dict": {
                name: {"training_data": data | {"systems": [str(folder / "train")]}}
                for name, folder in folders.items()
            },
            "model_prob": {name: share for name, (_, share) in BRANCHES.items()},
        },
    }
