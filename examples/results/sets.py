"""The data sets of the results, and what is asked of a model of each."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from command import check_folder
from variants import changed

from deepattn.config import load_input

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class DataSet:
    """One data set, with the input that a model of it is trained with.

    Attributes:
        name: Name in file names and commands; that of the input.
        title: The material, as the page calls it.
        origin: Where the data come from.
        elements: How the page names the elements.
        goals: By `ERRORS` key, the largest validation RMSE that counts as good (meV/atom, meV/Å).
        seeds: Seeds that are trained.
    """

    name: str
    title: str
    origin: str
    elements: str
    goals: Mapping[str, float] = field(default_factory=dict)
    seeds: Sequence[int] = (1,)

    def read_input(self, data: Path, seed: int, variant: str = "") -> dict:
        """The input with absolute paths and seeds.

        Args:
            data: Folder that the paths of the input are relative to.
            seed: Of initial weights and of the order of frames.
            variant: Name of changes in `variants.VARIANTS`; empty for none.

        Raises:
            DataError: A folder of the data is missing.
        """
        config = changed(load_input(HERE / "inputs" / f"{self.name}.json"), variant)
        model, training = config["model"], config["training"]
        for section in (model.get("type_embedding"), model["descriptor"], model["fitting_net"]):
            if section is not None:
                section["seed"] = seed
        training["seed"] = seed
        for part in ("training_data", "validation_data"):
            paths = training[part]["systems"]
            paths = [paths] if isinstance(paths, str) else paths
            training[part]["systems"] = [str(self._folder(data / path)) for path in paths]
        return config

    def _folder(self, path: Path) -> Path:
        return check_folder(
            path,
            f"the data of {self.title} are {self.origin}, in DeePMD's layout; give the folder that "
            "contains them with --data or DEEPATTN_SHARED",
        )


_BOTNET = "BOTNet-datasets (github.com/davkovacs/BOTNet-datasets)"
_MATTERSIM = "the benchmarks of MatterSim (github.com/microsoft/mattersim)"

SETS = {
    found.name: found
    for found in (
        DataSet(
            "ethanol_methanol",
            "ethanol and methanol, molecules",
            f"{_BOTNET}, dataset_ethanol/train_eth_meth.xyz",
            "H C O",
            seeds=(1, 2, 3),
        ),
        DataSet(
            "monbtaw",
            "Nb–Mo–Ta–W, elements and binaries",
            "maml (github.com/materialsvirtuallab/maml), mvl_models/pes/MoNbTaW/training",
            "Nb Mo Ta W",
            goals={"energy": 5, "force": 120},
        ),
        DataSet(
            "3bpa",
            "3BPA, a flexible molecule",
            f"{_BOTNET}, dataset_3BPA/train_300K.xyz and train_mixedT.xyz",
            "H C N O",
            goals={"force": 50},
        ),
        DataSet(
            "mapbi3",
            "MAPbI₃, a hybrid perovskite",
            "dpgen (github.com/deepmodeling/dpgen), examples/simplify-MAPbI3-scan-lebesgue",
            "I Pb C N H",
            goals={"force": 60},
        ),
        DataSet(
            "water",
            "liquid water, 64 molecules",
            "deepmd-kit (github.com/deepmodeling/deepmd-kit), examples/water/data",
            "O H",
            goals={"force": 40},
        ),
        DataSet(
            "llzo",
            "LLZO, a solid electrolyte",
            "SourceFiles (github.com/zhyan0603/SourceFiles), NEP-ZBL",
            "Li La Zr O",
            goals={"force": 90},
        ),
        DataSet(
            "hea25",
            "HEA25, alloys of 25 d metals",
            "torch_alchemical (github.com/abmazitov/torch_alchemical), tests/data",
            "25",
            seeds=(1, 2, 3),
        ),
        DataSet(
            "elements86",
            "86 elements, crystals from MPtrj, Alexandria and at high pressure",
            f"{_MATTERSIM}, mptrj-random-1k, alexandria-random-1k, mpf-TP, mpf-alkali-TP, "
            "random-TP",
            "86",
        ),
    )
}


def normalized(config: Mapping) -> str:
    """An input as text that two equal inputs share."""
    return json.dumps(config, sort_keys=True)
