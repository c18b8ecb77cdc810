"""Base class of fitting sections."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from deepattn import limits
from deepattn.config.constraints import check_net, is_finite, require, resolve_activation
from deepattn.config.descriptions import ACTIVATION, PRECISION, RESNET, SEED
from deepattn.config.observable import Label, Observable
from deepattn.config.ranges import null_or, within
from deepattn.config.section import Kind, key
from deepattn.errors import ConfigError, show
from deepattn.registry import Registry

_NUMBER = within(0, limits.WIDTH)
# A part of a name of TensorFlow's.
_LAYER = re.compile(r"[A-Za-z0-9_.-]+")
LAYER_NAMES = (
    "Names of the layers of the net and of its output, null for none; hidden layers of one name "
    "are one layer."
)

FITTINGS: Registry[FittingConfig] = Registry(
    "fitting",
    "deepattn.fittings",
    {
        "ener": "deepattn.fittings.ener.config:EnerFittingConfig",
        "dos": "deepattn.fittings.dos.config:DosFittingConfig",
        "dipole": "deepattn.fittings.dipole.config:DipoleFittingConfig",
        "polar": "deepattn.fittings.polar.config:PolarFittingConfig",
        "property": "deepattn.fittings.property.config:PropertyFittingConfig",
    },
)


@dataclass(frozen=True, kw_only=True)
class FittingConfig(Kind):
    """A ``fitting_net`` section: the keys of its type, and what the rest of the program asks.

    Class attributes:
        layer: Reference ``"module:class"`` to the `deepattn.layers.Fitting`.
        model: Reference to the class of the models that have it.
        reader: Name of the class of `deepattn.infer` that opens such models.
        subject: What it gives, in the plural, for messages; losses of the same subject train it.
        graph_type: Kind of the model in frozen graphs; None where DeePMD-kit has no such graphs.
        of_graph: Reference to the function that makes the weights of such a graph those of the
            fitting; it takes the arrays by name and a function that says whether a node is used.
        statistics: Reference to the function that computes the weights that statistics of the
            data determine, such as biases. It takes a function that iterates over batches, the
            section ``model`` and the cache (`deepattn.statistics.StatFile`) or None, and returns
            arrays by name.
        test_lines: What ``deepattn test`` prints, by the name of the error: ``mae`` or ``rmse`` of
            frames, with ``_n`` per atom, with ``_sqrtn`` per root of their number, with ``_atom``
            of atoms. Energies have lines of their own.
        errors_of_systems: Those of them that are printed of each system, but not of all together.
        dpmodel: Reference to the `deepattn.trees.FittingFormat` that reads and writes it in
            ``.dp`` files; None if there is none.
        torch: Reference to the `deepattn.states.StateFormat` that translates it in files of
            PyTorch; None if there is none.
        conventions: Details that it may have (``model/convention``).
        needs_vectors: Whether it needs the equivariant rows of a descriptor.
        fine_tunes: Whether a model that was trained on other data can be a start.
    """

    registry: ClassVar[Registry] = FITTINGS
    default_type: ClassVar[str | None] = "ener"
    layer: ClassVar[str]
    model: ClassVar[str] = "deepattn.models.energy_model:EnergyModel"
    reader: ClassVar[str] = "DeepPot"
    subject: ClassVar[str] = "energies"
    graph_type: ClassVar[str | None] = None
    of_graph: ClassVar[str | None] = None
    test_lines: ClassVar[Mapping[str, str]] = {}
    errors_of_systems: ClassVar[tuple[str, ...]] = ()
    statistics: ClassVar[str] = "deepattn.statistics.energy_bias:bias_weights"
    dpmodel: ClassVar[str | None] = None
    torch: ClassVar[str | None] = None
    conventions: ClassVar[tuple[str, ...]] = ("tensorflow", "common")
    needs_vectors: ClassVar[bool] = False
    fine_tunes: ClassVar[bool] = True

    numb_fparam: int = key(0, "Number of frame parameters (fparam.npy).", check=_NUMBER)
    default_fparam: tuple[float, ...] | None = key(
        None,
        "Frame parameters of frames without any: in data without fparam.npy, and wherever a model "
        "is evaluated without fparam. LAMMPS knows them from a SavedModel or a .pth file; a graph "
        "(.pb) needs fparam.",
        unset=True,
    )
    numb_aparam: int = key(0, "Number of atomic parameters (aparam.npy).", check=_NUMBER)
    dim_case_embd: int = key(
        0,
        "Width of the task embedding of a fitting net that several tasks share: the number "
        "of tasks, or 0 (docs/multi-task.md).",
        check=_NUMBER,
    )
    neuron: tuple[int, ...] = key([120, 120, 120], "Widths of the layers.", alias=("n_neuron",))
    activation_function: str = key("tanh", ACTIVATION)
    precision: str = key("default", PRECISION)
    resnet_dt: bool = key(True, RESNET)
    trainable: bool | tuple[bool, ...] = key(
        True,
        "Whether the net is trained; a list has one entry per hidden layer and one for the output.",
    )
    rcond: float | None = key(
        None,
        "Relative cutoff of singular values in the least-squares fit of the energy bias.",
        check=null_or(within(0)),
    )
    seed: int | None = key(None, SEED)

    @classmethod
    def resolve_defaults(cls, section: dict[str, Any]) -> None:
        """Resolve defaults that depend on other keys, in place."""
        resolve_activation(section)
        cls.drop_unset(section)

    @classmethod
    def check(cls, section: Mapping[str, Any], path: str, *, ntypes: int) -> None:
        """Check a complete section beyond the ranges of its single keys.

        Args:
            section: The values.
            path: Where it is: ``"model/fitting_net"``.
            ntypes: Number of types.

        Raises:
            ConfigError: Keys do not go together.
        """
        check_net(section, path)
        default, width = section.get("default_fparam"), section["numb_fparam"]
        if default is not None:
            require(
                len(default) == width and all(map(is_finite, default)),
                f"{path}/default_fparam",
                default,
                f"be a list of {width} finite numbers, as many as numb_fparam",
            )
        trainable, layers = section["trainable"], len(section["neuron"]) + 1
        if isinstance(trainable, list):
            require(
                len(trainable) == layers,
                f"{path}/trainable",
                trainable,
                f"be one value or a list of {layers}: one per layer of neuron and one for "
                "the output",
            )

    @property
    def observable(self) -> Observable | None:
        """What a model gives besides energies; None for a model of energies."""
        return None

    @classmethod
    def observable_of_graph(cls, constant: Callable[[str], Any]) -> Observable | None:
        """What a frozen graph of this kind gives besides energies; None for energies.

        Args:
            constant: Gives a constant of the graph by name.
        """
        return None

    @classmethod
    def graph_nodes(cls) -> dict[str, str]:
        """The nodes of a frozen graph by the names of outputs that they hold."""
        return {}

    @property
    def statistics_labels(self) -> tuple[str | Label, ...]:
        """Labels that `statistics` looks at."""
        return ("energy",)

    def needs_common(self) -> str | None:
        """The option by which the two conventions differ; None if they do not."""
        return None

    @classmethod
    def leave_out(cls, section: dict[str, Any], types: Sequence[int], ntypes: int) -> bool:
        """Leave atoms of some types out by keys of the section, in place.

        Args:
            section: The section.
            types: Those types.
            ntypes: Number of types.

        Returns:
            Whether there are such keys; if not, the section stays as it is.
        """
        return False

    @property
    def masks_atoms(self) -> bool:
        """Whether the atomic parameter tells which atoms are there, and is no input of the nets."""
        return False

    @property
    def parameters(self) -> dict[str, int]:
        """Numbers of the frame and atomic parameters that the nets take, by name."""
        return {
            "fparam": self.numb_fparam,
            "aparam": 0 if self.masks_atoms else self.numb_aparam,
        }

    @property
    def chosen(self) -> tuple[int, ...] | None:
        """The types of the atoms that contribute by keys of the section; None for all."""
        return None

    @property
    def names_of_layers(self) -> tuple[str | None, ...] | None:
        """The user's names of layers, None for those without; None if there are none."""
        return None

    @property
    def isolated(self) -> tuple[float | None, ...]:
        """The user's values for isolated atoms by type; empty if there are none, None is fitted."""
        return ()


def check_layer_names(section: Mapping[str, Any], path: str) -> None:
    """Check the key ``layer_name`` of a complete section.

    Raises:
        ConfigError: It does not name every layer, or layers of one name are different.
    """
    names, neuron, where = section.get("layer_name"), section["neuron"], f"{path}/layer_name"
    if names is None:
        return
    layers = len(neuron) + 1
    require(
        len(names) == layers and all(name is None or _LAYER.fullmatch(name) for name in names),
        where,
        names,
        f"be a list of {layers} names of letters, digits and _.-, or null: one per layer of neuron "
        "and one for the output",
    )
    trained = section["trainable"]
    given = [(name, k) for k, name in enumerate(names) if name is not None]
    for (name, first), (other, second) in itertools.combinations(given, 2):
        if name != other:
            continue
        inner = 0 < first and second < layers - 1
        if not inner or len({*neuron[first - 1 : first + 1], *neuron[second - 1 : second + 1]}) > 1:
            raise ConfigError(
                f"{where} gives the layers {first} and {second} the name {name}, but only hidden "
                "layers that are as wide as the one before can be the same layer."
            )
        if isinstance(trained, list) and trained[first] != trained[second]:
            raise ConfigError(
                f"{path}/trainable differs for the layers {first} and {second}, which are the same "
                f"layer by {where}."
            )


def kind_of_graph(graph_type: str) -> type[FittingConfig]:
    """The kind of fitting of a frozen graph.

    Args:
        graph_type: The kind of model that the graph names.

    Raises:
        ConfigError: There is none.
    """
    kinds = {kind.graph_type: kind for kind in FITTINGS.loaded().values() if kind.graph_type}
    if graph_type not in kinds:
        raise ConfigError(
            f"it is a model of type {show(graph_type)}; supported are {', '.join(kinds)}"
        )
    return kinds[graph_type]
