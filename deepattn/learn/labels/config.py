"""The section ``learn/labels``: where energies and forces come from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from deepattn.config.ranges import holds, null_or, positive
from deepattn.config.section import Kind, key, required
from deepattn.learn.dispatch.config import DispatchConfig
from deepattn.registry import Registry, resolve

if TYPE_CHECKING:
    from deepattn.learn.labels.source import LabelSource

LABELS: Registry[LabelsConfig] = Registry(
    "source of labels",
    "deepattn.labels",
    {
        "abacus": "deepattn.learn.codes.abacus.config:AbacusConfig",
        "calculator": "deepattn.learn.labels.config:CalculatorConfig",
        "cp2k": "deepattn.learn.codes.cp2k.config:Cp2kConfig",
        "espresso": "deepattn.learn.codes.espresso.config:EspressoConfig",
        "gaussian": "deepattn.learn.codes.gaussian.config:GaussianConfig",
        "gpaw": "deepattn.learn.codes.gpaw.config:GpawConfig",
        "vasp": "deepattn.learn.codes.vasp.config:VaspConfig",
    },
)
_CALLABLE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True, kw_only=True)
class LabelsConfig(Kind):
    """A ``labels`` section: the keys of its type, and the source that it describes.

    A code of your own is a subclass of `JobsConfig` (docs/learn.md).

    Class attributes:
        implementation: Reference ``"module:class"`` to the source, made from the section.
    """

    registry: ClassVar[Registry] = LABELS
    implementation: ClassVar[str]

    tolerance: float = key(
        0.05,
        "Largest change of a force of the first frame when it is labeled again, and with a higher "
        "cutoff and more k-points where the code has them, eV/Å; a larger one is an error.",
        check=positive,
    )

    @classmethod
    def check(cls, section: Mapping[str, Any], path: str) -> None:
        """Check a complete section.

        Raises:
            ConfigError: A value is out of range, or two do not go together.
        """
        cls.check_keys(section, path)

    def open(self) -> LabelSource:
        """The source.

        Raises:
            DeepattnError: Its files are missing or wrong, or a package that it needs.
        """
        return resolve(self.implementation)(self)


@dataclass(frozen=True, kw_only=True)
class CalculatorConfig(LabelsConfig):
    """An ASE calculator, in the process of the command itself."""

    implementation = "deepattn.learn.labels.calculator:CalculatorLabels"

    calculator: str = required(
        "`module:callable`, which gives the calculator; the module may be in the working folder.",
        check=holds(
            lambda text: _CALLABLE.fullmatch(text) is not None, "be written as module:callable"
        ),
    )


@dataclass(frozen=True, kw_only=True)
class JobsConfig(LabelsConfig, DispatchConfig):
    """A first-principles code that runs as jobs.

    Class attributes:
        code: Reference ``"module:class"`` to its `Code`.
    """

    implementation = "deepattn.learn.labels.jobs:JobLabels"
    code: ClassVar[str]

    template: str = required(
        "Folder with an input that works, for any structure, and all files that it needs. The "
        "structure is replaced; everything else stays as it is."
    )
    command: str = required("Command that runs the code in the folder of one frame.")
    kspacing: float | None = key(
        None,
        "Largest distance of k-points, 1/Å with the factor 2π, from which every cell's mesh is "
        "made; null leaves that to the template.",
        check=null_or(positive),
    )

    @classmethod
    def check(cls, section: Mapping[str, Any], path: str) -> None:
        super().check(section, path)
        cls.check_places(section, path)
