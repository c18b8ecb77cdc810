"""Multi-task inputs: each branch as an input of its own, and what links the branches."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from deepattn.config.combination import combination_of
from deepattn.errors import ConfigError, show

# Name of a new fitting net for `finetune_head` and `--model-branch`.
RANDOM = "RANDOM"
# The parts of a branch that may name an entry of shared_dict.
PARTS = ("type_map", "descriptor", "fitting_net")

_NAME = re.compile(r"(?=.*[^.])[\w.+-]+")
_TABLES = ("loss_dict", "training/data_dict", "training/model_prob", "training/num_epoch_dict")
_OF_A_BRANCH = ("training_data", "validation_data", "stat_file", "stat_file_mode")
_ONE_TASK = {
    "loss": "loss_dict",
    "training/training_data": "training/data_dict",
    "training/validation_data": "training/data_dict",
    "training/stat_file": "training/data_dict",
    "training/stat_file_mode": "training/data_dict",
    "training/numb_epoch": "training/num_epoch_dict",
}


@dataclass(frozen=True)
class Link:
    """Use of an entry of ``shared_dict``.

    Attributes:
        key: The entry.
        level: How much is shared; 0 is all.
    """

    key: str
    level: int = 0

    def __str__(self) -> str:
        return f"{self.key}:{self.level}" if self.level else self.key


@dataclass(frozen=True)
class BranchInput:
    """One branch of a multi-task input.

    Attributes:
        input: The branch as an input of a single task.
        links: Shared parts by name.
        finetune_head: Branch of the pretrained model to start from, ``RANDOM``, or None.
        aliases: Further names of the branch.
        info: Whatever the user notes about it.
    """

    input: dict[str, Any]
    links: dict[str, Link]
    finetune_head: str | None = None
    aliases: tuple[str, ...] = ()
    info: dict[str, Any] = field(default_factory=dict)


def is_multitask(data: Mapping[str, Any]) -> bool:
    """Whether an input is a multi-task input."""
    model = data.get("model")
    return isinstance(model, dict) and "model_dict" in model


def split(data: Mapping[str, Any]) -> dict[str, BranchInput]:
    """The branches of a multi-task input, by name.

    Args:
        data: Version 2 input whose model section has ``model_dict``; it is not modified.

    Raises:
        ConfigError: A table lacks a branch or has one too many, a link leads nowhere, or a key is
            one of single tasks.
    """
    model, training = data["model"], data.get("training", {})
    if not isinstance(training, dict):
        raise ConfigError(f"training is {show(training)}; it must be a mapping of keys.")
    names = _names(model["model_dict"])
    for name, branch in model["model_dict"].items():
        if combination_of(branch) is not None:
            raise ConfigError(
                f"model/model_dict/{name}/type is {branch['type']}; combinations are for single "
                "tasks."
            )
    _refuse_single(data, training)
    tables = {path: _table(data, path, names) for path in _TABLES}
    if tables["training/data_dict"] is None:
        raise ConfigError("training/data_dict is required; give the data of each branch.")
    check_probabilities(tables["training/model_prob"])
    _check_length(training)
    shared = model.get("shared_dict", {})
    if not isinstance(shared, dict):
        raise ConfigError(f"model/shared_dict is {show(shared)}; it must be a mapping of keys.")
    branches = {name: _branch(data, name, shared, tables) for name in names}
    _check_shared(branches, shared)
    _check_aliases(branches)
    return branches


def model_prob(data: Mapping[str, Any]) -> dict[str, float] | None:
    """Weights of the branches as the input gives them."""
    given = data["training"].get("model_prob")
    return None if given is None else {name: float(value) for name, value in given.items()}


def check_probabilities(weights: Mapping[str, Any] | None) -> None:
    """Refuse ``model_prob`` with a negative weight or none above zero."""
    for name, value in (weights or {}).items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e300:
            raise ConfigError(
                f"training/model_prob/{name} is {show(value)}; it must be a number of at least 0."
            )
    if weights is not None and not any(weights.values()):
        raise ConfigError(
            "training/model_prob has no positive weight, so no branch would be trained."
        )


def base_of(links: Mapping[str, Link | None]) -> str:
    """The branch whose weights the others of one entry take: the first of the lowest level."""
    levels = {name: link.level for name, link in links.items() if link}
    return min(levels, key=lambda name: levels[name])


def relocated(message: str, name: str, links: Mapping[str, Link]) -> str:
    """A message about a branch's own input, with the paths of the multi-task input."""

    def place(match: re.Match) -> str:
        section, key = match[1], match[2]
        if section == "loss":
            return f"loss_dict/{name}/{key}"
        if section == "training":
            return f"training/data_dict/{name}/{key}" if key in _OF_A_BRANCH else match[0]
        if key in links:
            return f"model/shared_dict/{links[key].key}"
        return f"model/model_dict/{name}/{key}"

    message = re.sub(r"\b(model|loss|training)/(\w+)", place, message)
    return re.sub(r"^loss\b(?!_)", f"loss_dict/{name}", message)


def _names(branches: Any) -> list[str]:
    if not isinstance(branches, dict) or not branches:
        raise ConfigError(
            f"model/model_dict is {show(branches)}; it must be a mapping of branches."
        )
    for name, section in branches.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name == RANDOM:
            raise ConfigError(
                f"model/model_dict has the branch {show(name)}; a name may contain only "
                f"letters, digits and _.+-, and must not be {RANDOM}."
            )
        if not isinstance(section, dict):
            raise ConfigError(
                f"model/model_dict/{name} is {show(section)}; it must be a mapping of keys."
            )
    return list(branches)


def _refuse_single(data: Mapping[str, Any], training: Mapping[str, Any]) -> None:
    for path, instead in _ONE_TASK.items():
        section, key = (training, path.split("/")[1]) if "/" in path else (data, path)
        if section.get(key) is not None:
            raise ConfigError(
                f"{path} is for single-task inputs; with model/model_dict use {instead}."
            )
    if training.get("acc_freq", 1) != 1:
        # Gradients of one branch would be mixed with those of another, or lost.
        raise ConfigError(
            "training/acc_freq is for single-task inputs; with model/model_dict set a larger "
            "batch_size."
        )
    validating = data.get("validating")
    # DeePMD-kit has no ranking of checkpoints of several branches either.
    if isinstance(validating, dict) and validating.get("full_val_start") != 1:
        for key in ("full_validation", "ema_full_validation"):
            if validating.get(key):
                raise ConfigError(
                    f"validating/{key} is for single-task inputs; with model/model_dict evaluate "
                    "the checkpoints with deepattn test."
                )


def _table(data: Mapping[str, Any], path: str, names: Sequence[str]) -> dict[str, Any] | None:
    """A mapping of every branch to something, or None if the input has none."""
    *sections, key = path.split("/")
    table = (data["training"] if sections else data).get(key) if data.get("training") else None
    if table is None:
        return None
    if not isinstance(table, dict):
        raise ConfigError(f"{path} is {show(table)}; it must be a mapping of branches.")
    for name in table:
        if name not in names:
            raise ConfigError(
                f"{path}/{name} is not a branch of model/model_dict; the branches are "
                f"{', '.join(names)}."
            )
    for name in names:
        if name not in table:
            raise ConfigError(
                f"{path} lacks the branch {name}; give one entry per branch of model/model_dict."
            )
    return table


def _check_length(training: Mapping[str, Any]) -> None:
    given = [key for key in ("numb_steps", "num_epoch_dict") if training.get(key) is not None]
    if len(given) != 1:
        number = "both" if given else "neither"
        raise ConfigError(
            f"training has {number} of numb_steps and num_epoch_dict; give exactly one."
        )
    if given == ["num_epoch_dict"] and training.get("model_prob") is not None:
        raise ConfigError(
            "training has both model_prob and num_epoch_dict, which determines the weights "
            "as well; keep one of them."
        )


def _branch(
    data: Mapping[str, Any], name: str, shared: Mapping[str, Any], tables: Mapping[str, Any]
) -> BranchInput:
    base = {k: v for k, v in data["model"].items() if k not in ("shared_dict", "model_dict")}
    model = {**base, **data["model"]["model_dict"][name]}
    head = model.pop("finetune_head", None)
    aliases, info = model.pop("model_branch_alias", ()), model.pop("info", {})
    path = f"model/model_dict/{name}"
    if head is not None and not isinstance(head, str):
        raise ConfigError(f"{path}/finetune_head is {show(head)}; it must be a string.")
    if not isinstance(aliases, list | tuple) or not all(isinstance(a, str) for a in aliases):
        raise ConfigError(f"{path}/model_branch_alias is {show(aliases)}; it must be a list.")
    if not isinstance(info, dict):
        raise ConfigError(f"{path}/info is {show(info)}; it must be a mapping.")
    links = {}
    for part in PARTS:
        if isinstance(model.get(part), str):
            links[part] = _link(model[part], f"{path}/{part}", shared)
            model[part] = shared[links[part].key]
    if "type_map" not in links:
        raise ConfigError(
            f"{path}/type_map must be the name of an entry of model/shared_dict, the same in all "
            "branches."
        )
    training = {k: v for k, v in data["training"].items() if f"training/{k}" not in _TABLES}
    training |= _data_of(tables["training/data_dict"][name], f"training/data_dict/{name}")
    epochs = tables["training/num_epoch_dict"]
    if epochs is not None:
        training["numb_epoch"] = epochs[name]
    rest = {k: v for k, v in data.items() if k not in ("model", "loss_dict", "training")}
    loss = (tables["loss_dict"] or {}).get(name, {})
    single = {**rest, "model": model, "loss": loss, "training": training}
    return BranchInput(single, links, head, tuple(aliases), dict(info))


def _data_of(section: Any, path: str) -> dict[str, Any]:
    if not isinstance(section, dict):
        raise ConfigError(f"{path} is {show(section)}; it must be a mapping of keys.")
    for key in section:
        if key not in _OF_A_BRANCH:
            known = ", ".join(_OF_A_BRANCH)
            raise ConfigError(f"{path}/{key} is not a key of the input; there are {known}.")
    return section


def _link(value: str, path: str, shared: Mapping[str, Any]) -> Link:
    key, colon, level = value.partition(":")
    if key not in shared:
        known = f"has {', '.join(map(str, shared))}" if shared else "is empty"
        raise ConfigError(f"{path} is {show(value)}, but model/shared_dict {known}.")
    if colon and not re.fullmatch("[0-9]+", level):
        raise ConfigError(f"{path} is {show(value)}; after the colon it must have a whole number.")
    return Link(key, int(level or 0))


def _check_shared(branches: Mapping[str, BranchInput], shared: Mapping[str, Any]) -> None:
    used = {link.key: part for b in branches.values() for part, link in b.links.items()}
    for key in shared:
        if key not in used:
            raise ConfigError(f"model/shared_dict/{key} is used by no branch; remove it.")
    for branch in branches.values():
        for part, link in branch.links.items():
            if used[link.key] != part:
                raise ConfigError(
                    f"model/shared_dict/{link.key} is used as {part} and as "
                    f"{used[link.key]}; it can only be one of them."
                )
    maps = list(dict.fromkeys(branch.links["type_map"].key for branch in branches.values()))
    if len(maps) > 1:
        raise ConfigError(
            f"the branches of model/model_dict have the type maps {' and '.join(maps)}; they must "
            "all use one entry of model/shared_dict."
        )


def _check_aliases(branches: Mapping[str, BranchInput]) -> None:
    seen = dict.fromkeys([*branches, RANDOM], "the name of a branch or reserved")
    for name, branch in branches.items():
        for alias in branch.aliases:
            path = f"model/model_dict/{name}/model_branch_alias"
            if alias in seen:
                raise ConfigError(f"{path} has {show(alias)}, which is {seen[alias]}.")
            seen[alias] = f"an alias of {name} already"
