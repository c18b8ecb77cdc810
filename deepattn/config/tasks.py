"""The typed configuration of a multi-task training."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from deepattn.config.load import load_input
from deepattn.config.multitask import (
    PARTS,
    BranchInput,
    Link,
    base_of,
    is_multitask,
    model_prob,
    relocated,
    split,
)
from deepattn.config.normalize import normalize
from deepattn.config.pytorch_input import as_pytorch
from deepattn.config.section import thaw
from deepattn.config.tree import Config
from deepattn.config.upgrade import upgrade
from deepattn.errors import ConfigError

# Keys of the section training that each branch has for itself.
_DATA = ("training_data", "validation_data", "stat_file", "stat_file_mode")


@dataclass(frozen=True)
class BranchConfig:
    """One branch.

    Attributes:
        config: The branch as a single task; lengths, schedules and files are those of all.
        links: Its shared parts by name: ``type_map``, and maybe ``descriptor``, ``fitting_net``.
        finetune_head: Branch of a pretrained model that it starts from, ``RANDOM``, or None.
        aliases: Further names.
        info: The user's notes.
    """

    config: Config
    links: Mapping[str, Link]
    finetune_head: str | None = None
    aliases: tuple[str, ...] = ()
    info: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class MultiTaskConfig:
    """A complete multi-task input.

    Attributes:
        branches: The branches by name, in the order of the input.
        model_prob: Weight of each in the draw of a step's branch; None leaves it open.
    """

    branches: Mapping[str, BranchConfig]
    model_prob: Mapping[str, float] | None = None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> MultiTaskConfig:
        """Build from what `to_dict` gave."""
        branches = {
            name: _typed(branch, Config.from_dict(branch.input))
            for name, branch in split(data).items()
        }
        return cls(branches, model_prob(data))

    @property
    def tasks(self) -> dict[str, Config]:
        """The configuration of each branch as a single task."""
        return {name: branch.config for name, branch in self.branches.items()}

    def with_tasks(self, tasks: Mapping[str, Config]) -> MultiTaskConfig:
        """The same with other configurations of the branches; shared parts become the base's."""
        branches = {
            name: replace(branch, config=tasks[name]) for name, branch in self.branches.items()
        }
        for part in PARTS[1:]:
            for links in _entries(branches, part).values():
                base = getattr(branches[base_of(links)].config.model, part)
                for name in links:
                    branches[name] = _with_part(branches[name], part, base)
        return replace(self, branches=branches)

    def links(self, part: str) -> dict[str, dict[str, Link]]:
        """The branches that use each entry of ``shared_dict`` as a part, with their links."""
        return _entries(self.branches, part)

    def to_dict(self) -> dict[str, Any]:
        """The normalized input."""
        shared: dict[str, Any] = {}
        for part in PARTS:
            for key, links in self.links(part).items():
                base = self.branches[base_of(links)].config.model
                shared[key] = thaw(getattr(base, part))
        singles = {name: config.to_dict() for name, config in self.tasks.items()}
        first = next(iter(singles.values()))
        settings = dict(first["training"])
        for key in (*_DATA, "numb_epoch"):
            settings.pop(key, None)
        data = {name: _data(single["training"]) for name, single in singles.items()}
        training: dict[str, Any] = {"data_dict": data, **settings}
        epochs = {n: s["training"]["numb_epoch"] for n, s in singles.items() if _by_epochs(s)}
        if epochs:
            training["num_epoch_dict"] = epochs
        if self.model_prob is not None:
            training["model_prob"] = dict(self.model_prob)
        models = {name: self._section(name, s["model"]) for name, s in singles.items()}
        return {
            "model": {"shared_dict": shared, "model_dict": models},
            "learning_rate": first["learning_rate"],
            "loss_dict": {name: single["loss"] for name, single in singles.items()},
            "optimizer": first["optimizer"],
            "training": training,
            "validating": first["validating"],
        }

    def _section(self, name: str, model: dict[str, Any]) -> dict[str, Any]:
        branch = self.branches[name]
        links = {part: str(link) for part, link in branch.links.items()}
        notes = {
            "finetune_head": branch.finetune_head,
            "model_branch_alias": list(branch.aliases),
            "info": dict(branch.info),
        }
        return {**model, **links, **{key: value for key, value in notes.items() if value}}


def normalize_tasks(data: dict[str, Any]) -> MultiTaskConfig:
    """Check an upgraded multi-task input and fill in every default.

    Only DeePMD-kit's backends other than TensorFlow train several tasks, so that
    ``model/convention`` is ``common`` unless the input sets it.

    Raises:
        ConfigError: A key is unknown, missing or not supported, or a value is not valid; the
            message gives its path in this input.
    """
    branches = {}
    for name, branch in split(data).items():
        try:
            single = upgrade(branch.input)
            _resolve_convention(single["model"])
            branches[name] = _typed(branch, Config.from_dict(normalize(single)))
            _check_single(branches[name].config)
        except ConfigError as error:
            raise ConfigError(relocated(str(error), name, branch.links)) from None
    _check_levels(branches)
    _check_alike(branches)
    _check_case_embedding(branches)
    return MultiTaskConfig(branches, model_prob(data))


def read_input(data: dict[str, Any]) -> Config | MultiTaskConfig:
    """The typed configuration of an upgraded single-task or multi-task input."""
    return normalize_tasks(data) if is_multitask(data) else Config.from_dict(normalize(data))


def read_config(path: str | os.PathLike, *, pytorch: bool = False) -> Config | MultiTaskConfig:
    """Read an input file of any DeePMD-kit version, JSON or YAML, single-task or multi-task.

    Args:
        path: The file.
        pytorch: Whether it is written for DeePMD-kit's PyTorch backend; see `as_pytorch`.

    Raises:
        ConfigError: The file cannot be read, upgraded or validated; the message names file and key.
    """
    raw = load_input(path)
    try:
        upgraded = upgrade(raw)
        return read_input(as_pytorch(upgraded) if pytorch else upgraded)
    except ConfigError as error:
        raise ConfigError(f"{os.fspath(path)}: {error}") from None


def config_from_dict(data: Mapping[str, Any]) -> Config | MultiTaskConfig:
    """The typed configuration of a normalized single-task or multi-task input."""
    return (MultiTaskConfig if is_multitask(data) else Config).from_dict(data)


def _typed(branch: BranchInput, config: Config) -> BranchConfig:
    return BranchConfig(config, branch.links, branch.finetune_head, branch.aliases, branch.info)


def _check_single(config: Config) -> None:
    """Refuse what only single tasks may have."""
    fitting = config.model.fitting_net
    if config.model.spin is not None:
        raise ConfigError("model/spin is for single tasks; train its branch as one.")
    if fitting.names_of_layers is not None:
        raise ConfigError(
            "model/fitting_net/layer_name is for single tasks, as in DeePMD-kit since 3.0; share "
            "fitting nets with model/shared_dict."
        )


def _entries(branches: Mapping[str, BranchConfig], part: str) -> dict[str, dict[str, Link]]:
    entries: dict[str, dict[str, Link]] = {}
    for name, branch in branches.items():
        link = branch.links.get(part)
        if link is not None:
            entries.setdefault(link.key, {})[name] = link
    return entries


def _with_part(branch: BranchConfig, part: str, section: Any) -> BranchConfig:
    model = replace(branch.config.model, **{part: section})
    return replace(branch, config=replace(branch.config, model=model))


def _by_epochs(single: Mapping[str, Any]) -> bool:
    return single["training"].get("numb_epoch") is not None


def _data(training: Mapping[str, Any]) -> dict[str, Any]:
    return {key: training[key] for key in _DATA if key in training}


def _resolve_convention(model: dict[str, Any]) -> None:
    if model.get("convention") is None:
        model["convention"] = "common"


def _check_levels(branches: Mapping[str, BranchConfig]) -> None:
    for name, branch in branches.items():
        for part, link in branch.links.items():
            kind: str = part
            # Of other parts there is nothing but the whole.
            allowed: tuple[int, ...] = (0,)
            if part == "descriptor":
                descriptor = branch.config.model.descriptor
                kind, allowed = descriptor.type, descriptor.share_levels
            if link.level not in allowed:
                raise ConfigError(
                    f"model/model_dict/{name}/{part} is '{link}'; a {kind} can be shared at level "
                    f"{' or '.join(map(str, allowed))}."
                )


def _check_alike(branches: Mapping[str, BranchConfig]) -> None:
    """Check keys that branches with a shared descriptor must also share."""
    first = next(iter(branches))
    for name, branch in branches.items():
        ours, theirs = branch.config.model, branches[first].config.model
        if ours.data_stat_protect != theirs.data_stat_protect:
            raise ConfigError(
                f"model/model_dict/{name}/data_stat_protect is {ours.data_stat_protect}, but "
                f"that of {first} is {theirs.data_stat_protect}; it must be the same in all "
                "branches."
            )
    # By the names of attributes the keys that they are of.
    convention = {"is_common": "convention"}
    for part, keys in {
        "descriptor": {"type_embedding": "type_embedding", **convention},
        "fitting_net": convention,
    }.items():
        for entry, links in _entries(branches, part).items():
            base = base_of(links)
            for name in links:
                for attribute, key in keys.items():
                    ours, theirs = (
                        getattr(branches[branch].config.model, attribute) for branch in (name, base)
                    )
                    if ours != theirs:
                        raise ConfigError(
                            f"model/model_dict/{name}/{key} differs from that of {base}, which "
                            f"shares model/shared_dict/{entry}; make them the same."
                        )


def _check_case_embedding(branches: Mapping[str, BranchConfig]) -> None:
    for name, branch in branches.items():
        width = branch.config.model.fitting_net.dim_case_embd
        path = f"model/model_dict/{name}/fitting_net"
        if "fitting_net" in branch.links:
            path = f"model/shared_dict/{branch.links['fitting_net'].key}"
        if width not in (0, len(branches)):
            raise ConfigError(
                f"{path}/dim_case_embd is {width}; it must be the number of branches, "
                f"{len(branches)}, or 0."
            )
    widths = {branch.config.model.fitting_net.dim_case_embd for branch in branches.values()}
    if len(widths) > 1:
        raise ConfigError("dim_case_embd must be the same in all fitting nets.")
