"""From a model file to what runs it: the graph as it stands in the file, or a Keras model."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deepattn.config import ModelConfig
from deepattn.errors import ModelFileError
from deepattn.formats.find import find_model
from deepattn.formats.frozen import FrozenModel, read_frozen
from deepattn.infer.graph_runner import GraphRunner, has_ops
from deepattn.infer.keras_runner import KerasRunner
from deepattn.models import load_model
from deepattn.models.load import refuse_head

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Facts:
    """What a model file says of its model."""

    type_map: list[str]
    ntypes: int
    rcut: float
    sel: list[int]
    dim_fparam: int
    dim_aparam: int
    interface_dtype: str
    model_script: dict | None


def open_model(path: Path, head: str | None) -> tuple[GraphRunner | KerasRunner, Facts]:
    """What runs the model of a file, and what the file says of it.

    Raises:
        ModelFileError: it cannot be read, or cannot be run here.
    """
    path = find_model(path)
    if path.suffix == ".pb":
        refuse_head(head, path)
        frozen = read_frozen(path)
        runner: GraphRunner | KerasRunner
        if has_ops(frozen):
            runner = GraphRunner(frozen)
        elif frozen.model_type == "compressed_model":
            raise ModelFileError(
                f"{path}: is compressed, which needs the compiled ops, and they are not there; "
                "build them with: python -m deepattn.ops.build"
            )
        else:
            model, header = load_model(path)
            descriptor = ModelConfig.from_dict(header["config"]["model"]).descriptor
            if descriptor.excluded_otherwise_before_3:
                _warn_of_exclusion(path)
            runner = KerasRunner(model, str(path))
        return runner, _facts_of_graph(frozen)
    model, header = load_model(path, head=head)
    config = header["config"]["model"]
    facts = Facts(
        type_map=list(model.type_map),
        ntypes=model.ntypes,
        rcut=model.rcut,
        sel=np.ravel(model.descriptor.sel).tolist(),
        dim_fparam=config["fitting_net"]["numb_fparam"],
        dim_aparam=config["fitting_net"]["numb_aparam"],
        interface_dtype=model.interface_dtype,
        model_script=config,
    )
    return KerasRunner(model, str(path)), facts


def _warn_of_exclusion(path: Path) -> None:
    """Say that a rebuilt model may differ: attention of DeePMD-kit 2.x saw excluded neighbors."""
    log.warning(
        "%s: without the compiled ops it is rebuilt, with the rule of DeePMD-kit 3 for "
        "exclude_types in attention; a graph of 2.x gives other numbers where it is run as it "
        "is (build the ops with: python -m deepattn.ops.build)",
        path,
    )


def _facts_of_graph(frozen: FrozenModel) -> Facts:
    return Facts(
        type_map=frozen.type_map,
        ntypes=frozen.ntypes,
        rcut=frozen.rcut,
        sel=frozen.sel,
        dim_fparam=frozen.dfparam,
        dim_aparam=frozen.daparam,
        interface_dtype=frozen.interface_dtype,
        model_script=(frozen.training_script or {}).get("model"),
    )
