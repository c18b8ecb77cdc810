"""Which keys of a section ``dpa2`` go together."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

from deepattn.config.constraints import (
    check_activation,
    check_axis,
    check_cutoff,
    check_precision,
    check_slots,
    check_widths,
    require,
)
from deepattn.errors import ConfigError


def check_dpa2(descriptor: Mapping[str, Any], path: str) -> None:
    """Check a complete descriptor section of the type dpa2, beyond its single values.

    Raises:
        ConfigError: A value is out of range, or two keys do not go together.
    """
    repinit, repformer = descriptor["repinit"], descriptor["repformer"]
    check_precision(descriptor["precision"], f"{path}/precision")
    _check_repinit(repinit, f"{path}/repinit")
    _check_repformer(repformer, f"{path}/repformer")
    _check_lists(repinit, repformer, path)


def _check_repinit(section: Mapping[str, Any], path: str) -> None:
    check_cutoff(section, path)
    check_slots(section["nsel"], f"{path}/nsel")
    check_widths(section["neuron"], f"{path}/neuron")
    check_axis(section, path, width=section["neuron"][-1], of="the last width of neuron")
    check_activation(section["activation_function"], f"{path}/activation_function")
    if section["use_three_body"]:
        check_cutoff(section, path, prefix="three_body_")
        check_slots(section["three_body_sel"], f"{path}/three_body_sel")
        check_widths(section["three_body_neuron"], f"{path}/three_body_neuron")


def _check_repformer(section: Mapping[str, Any], path: str) -> None:
    check_cutoff(section, path)
    check_slots(section["nsel"], f"{path}/nsel")
    widths = {key: section[key] for key in ("g1_dim", "g2_dim")}
    narrow = min(widths, key=lambda key: widths[key])
    check_axis(section, path, width=widths[narrow], of=narrow)
    check_activation(section["activation_function"], f"{path}/activation_function")
    g1_inputs = [f"update_g1_has_{term}" for term in ("grrg", "drrd")]
    conv = section["update_g1_has_conv"] and not section["g1_out_conv"]
    if section["g1_out_mlp"] and not conv and not any(section[key] for key in g1_inputs):
        raise ConfigError(
            f"{path} leaves the layer of g1 without input; enable {' or '.join(g1_inputs)}, "
            "or disable g1_out_mlp."
        )


class _List(NamedTuple):
    """Length and cutoff of a block's list of neighbors, and their keys."""

    rcut: float
    nsel: int | str
    rcut_key: str
    nsel_key: str

    def precedes(self, other: "_List", *, strictly: bool = False) -> None:
        """Check that the cutoff and, where both are known, the length are the smaller ones."""
        words = "be smaller than" if strictly else "be at most"
        pairs = [(self.rcut, other.rcut, self.rcut_key, other.rcut_key)]
        if not (isinstance(self.nsel, str) or isinstance(other.nsel, str)):
            pairs.append((self.nsel, other.nsel, self.nsel_key, other.nsel_key))
        for ours, theirs, key, other_key in pairs:
            holds = ours < theirs if strictly else ours <= theirs
            require(holds, key, ours, f"{words} {other_key} ({theirs})")


def _check_lists(repinit: Mapping[str, Any], repformer: Mapping[str, Any], path: str) -> None:
    """The lists of the blocks are the beginnings of one list, that of repinit."""
    longest, second = lists = [
        _List(section["rcut"], section["nsel"], f"{path}/{name}/rcut", f"{path}/{name}/nsel")
        for name, section in (("repinit", repinit), ("repformer", repformer))
    ]
    second.precedes(longest, strictly=True)
    if repinit["use_three_body"]:
        keys = [f"{path}/repinit/three_body_{key}" for key in ("rcut", "sel")]
        third = _List(repinit["three_body_rcut"], repinit["three_body_sel"], *keys)
        third.precedes(longest)
        lists.append(third)
    known = [(one.rcut, one.nsel, one.nsel_key) for one in lists if not isinstance(one.nsel, str)]
    for (_, near, near_key), (_, far, far_key) in pairwise(sorted(known)):
        condition = f"be at least {near_key} ({near}), which has a shorter cutoff"
        require(far >= near, far_key, far, condition)
