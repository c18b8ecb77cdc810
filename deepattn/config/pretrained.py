"""Taking the ``model`` section from the training script of a pretrained model."""

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

from deepattn.config.combination import combination_of
from deepattn.config.descriptor import DescriptorConfig
from deepattn.config.fitting import FittingConfig
from deepattn.config.multitask import split
from deepattn.config.type_embedding import DEFAULT_TYPE_EMBEDDING
from deepattn.errors import ConfigError, show

K = TypeVar("K", DescriptorConfig, FittingConfig)


class Merged(NamedTuple):
    """Result of `merge_pretrained`.

    ``input`` is the input to upgrade and normalize; ``target_types`` are the elements whose energy
    bias is fitted, None where the input names none and the training data decide.
    """

    input: dict[str, Any]
    target_types: list[str] | None


def merge_pretrained(
    raw_input: dict[str, Any],
    pretrained_script: dict[str, Any],
    *,
    use_tebd_bias: bool | None = None,
    new_fitting: bool = False,
) -> Merged:
    """The input of a fine-tuning: its own, with the network of the pretrained model.

    The pretrained ``type_map`` is taken whole; elements that only the input names are appended to
    it; so is its ``convention``. Each of ``type_embedding``, ``descriptor`` and
    ``fitting_net`` is the pretrained one; of the input's own only ``trainable`` survives. A fitting
    net that is to be new is that of the input, if it has one.

    Args:
        raw_input: Input as loaded; it is not modified.
        pretrained_script: The training script that the frozen model carries.
        use_tebd_bias: Whether the pretrained weights have a bias in the type embedding. Scripts
            older than DeePMD-kit 3.0 do not store it; None takes it from the script.
        new_fitting: Whether the fitting net is new; it may then be of another kind.

    Raises:
        ConfigError: The pretrained model is of a kind that cannot be fine-tuned, does not name its
            elements, or cannot have the new ones.
    """
    data = copy.deepcopy(raw_input)
    model = _model_section(data, "the input")
    pretrained = copy.deepcopy(_model_section(pretrained_script, "the pretrained model's script"))
    new_fitting = new_fitting and model.get("fitting_net") is not None
    if new_fitting:
        pretrained["fitting_net"] = model["fitting_net"]
    descriptor = _check_kind(pretrained, new_fitting=new_fitting)
    target_types = model.get("type_map")
    model["type_map"] = _pretrained_types(pretrained, target_types)
    added = model["type_map"][len(pretrained["type_map"]) :]
    if added and not descriptor.new_elements:
        raise ConfigError(
            f"the pretrained model does not know {', '.join(added)}, and elements cannot be added "
            f"to its descriptor {show(pretrained['descriptor']['type'])}; take a model that knows "
            "them, or train from scratch."
        )
    for name in ("type_embedding", "descriptor", "fitting_net"):
        own = model.pop(name, {})
        if not isinstance(own, dict):
            raise ConfigError(f"model/{name} is {show(own)}; it must be a mapping of keys.")
        section = pretrained.get(name)
        if "trainable" in own:
            section = {**(section or DEFAULT_TYPE_EMBEDDING), "trainable": own["trainable"]}
        if section is not None:
            model[name] = section
    model.pop("convention", None)
    if "convention" in pretrained:
        model["convention"] = pretrained["convention"]
    if not new_fitting:
        _extend_atom_ener(model)
    if use_tebd_bias is not None:
        section = model.get("type_embedding", DEFAULT_TYPE_EMBEDDING)
        model["type_embedding"] = {**section, "use_tebd_bias": use_tebd_bias}
    return Merged(data, target_types)


def replace_model(raw_input: dict[str, Any], pretrained_script: dict[str, Any]) -> dict[str, Any]:
    """The input with the whole ``model`` section of the pretrained model's training script.

    Raises:
        ConfigError: The script has no ``model`` section.
    """
    model = _model_section(pretrained_script, "the pretrained model's script")
    return {**copy.deepcopy(raw_input), "model": copy.deepcopy(model)}


def take_sections(data: dict[str, Any], sections: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """A multi-task input with the networks of pretrained models.

    A shared part is that of the first branch that uses it. Of the input's own parts only
    ``trainable`` survives.

    Args:
        data: Upgraded input; it is not modified.
        sections: The model section of the pretrained model of each branch.
    """
    data = copy.deepcopy(data)
    shared = data["model"].get("shared_dict", {})
    taken = set()
    for name, branch in split(data).items():
        own, pretrained = data["model"]["model_dict"][name], copy.deepcopy(sections[name])
        for part in ("descriptor", "fitting_net"):
            section = pretrained[part]
            if "trainable" in branch.input["model"].get(part, {}):
                section["trainable"] = branch.input["model"][part]["trainable"]
            link = branch.links.get(part)
            if link is None:
                own[part] = section
            elif link.key not in taken:
                shared[link.key] = section
                taken.add(link.key)
        for key in ("type_embedding", "convention"):
            own.pop(key, None)
            if key in pretrained:
                own[key] = pretrained[key]
    for key in ("type_embedding", "convention", "descriptor", "fitting_net"):
        data["model"].pop(key, None)
    return data


def _model_section(data: dict[str, Any], whose: str) -> dict[str, Any]:
    model = data.get("model")
    if not isinstance(model, dict):
        raise ConfigError(f"{whose} has no section model; add one with at least type_map.")
    return model


def _check_kind(pretrained: dict[str, Any], *, new_fitting: bool) -> type[DescriptorConfig]:
    """The class of its descriptor, if a model like this can be fine-tuned."""
    if combination_of(pretrained) is not None:
        raise ConfigError(
            f"the pretrained model is a combination of models ({pretrained['type']}), which cannot "
            "be fine-tuned; start with --init-frz-model."
        )
    if pretrained.get("use_srtab") is not None:
        raise ConfigError(
            "the pretrained model goes over to a table of pairs (use_srtab), which cannot be "
            "fine-tuned; start with --init-frz-model."
        )
    if pretrained.get("spin") is not None:
        raise ConfigError(
            "the pretrained model has magnetic moments (spin), with which it cannot be fine-tuned; "
            "start with --init-frz-model."
        )
    descriptor = _fine_tuned(pretrained, "descriptor", DescriptorConfig)
    if not new_fitting:
        _fine_tuned(pretrained, "fitting_net", FittingConfig)
    return descriptor


def _fine_tuned(pretrained: dict[str, Any], name: str, base: type[K]) -> type[K]:
    section = pretrained.get(name)
    tag = section.get("type", base.default_type) if isinstance(section, dict) else None
    kind = base.find(tag)
    if kind is None or not kind.fine_tunes:
        known = [name for name, one in base.registry.loaded().items() if one.fine_tunes]
        words = " and ".join(filter(None, [", ".join(known[:-1]), known[-1]]))
        raise ConfigError(
            f"the pretrained model's {name} is {show(tag)}; only {words} can be fine-tuned; "
            "start with --init-frz-model."
        )
    return kind


def _pretrained_types(pretrained: dict[str, Any], target_types: Any) -> list[str]:
    known = pretrained.get("type_map")
    if not known or not _is_names(known):
        raise ConfigError(
            f"the type_map of the pretrained model's script is {show(known)}; without a list "
            "of names, its elements are unknown."
        )
    if target_types is None:
        return known
    if not _is_names(target_types):
        raise ConfigError(f"model/type_map is {show(target_types)}; it must be a list of names.")
    return list(dict.fromkeys([*known, *target_types]))


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _extend_atom_ener(model: dict[str, Any]) -> None:
    """Mark energies of elements that are missing from the pretrained list as fitted."""
    fitting = model.get("fitting_net", {})
    energies = fitting.get("atom_ener") or []
    if not isinstance(energies, list):
        raise ConfigError(
            f"the pretrained model's fitting_net/atom_ener is {show(energies)}; "
            "it must be a list of numbers."
        )
    if energies:
        missing = len(model["type_map"]) - len(energies)
        model["fitting_net"] = {**fitting, "atom_ener": energies + [None] * missing}
