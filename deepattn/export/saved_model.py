"""A TensorFlow SavedModel that an unmodified DeePMD-kit 3.2 and its LAMMPS run."""

from __future__ import annotations

import errno
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from deepattn import ops
from deepattn.errors import ConfigError, ModelFileError
from deepattn.export.listed_frame import make_listed_frame
from deepattn.export.saved_model_checks import check_parallel, refuse_unwritable
from deepattn.formats.files import write_folder_whole
from deepattn.formats.saved_model import MARK, NEIGHBOR_RCUT
from deepattn.infer.trial import two_atoms
from deepattn.layers.boundaries import mesh_of_box, natoms_of
from deepattn.models.atomic_model import AtomicModel
from deepattn.models.blocks import infer
from deepattn.models.energy_model import EnergyModel
from deepattn.ops.blocks import frugal
from deepattn.ops.unoptimized import unoptimized
from deepattn.quiet import at_level

log = logging.getLogger(__name__)

# LAMMPS' longest neighbor list unless neigh_modify says otherwise, and its skin in metal units, Å.
_LONGEST, _SKIN = 2000, 2.0
# Atoms whose messages are evaluated all at once, which is faster and takes about 1 MB for each.
_MOST_WHOLE = 1000
# More atoms per Å³ than almost all matter has; diamond has 0.18.
_DENSITY = 0.2


def save_model(
    model: AtomicModel,
    path: str | Path,
    *,
    training_script: Mapping,
    min_nbor_dist: float | None = None,
    parallel: bool = False,
) -> Path:
    """Write a model as a SavedModel of TensorFlow's own operations.

    It runs where DeePMD-kit has no operations for a model, as for the messages of DPA-2. All its
    functions call one trace of the model's own ``call``, with the weights as constants: DeePMD-kit
    passes functions what they declare, and no variables.

    Args:
        model: the model.
        path: folder to write, which should end in ``.savedmodeltf``; an existing SavedModel
            is replaced once the new one is complete.
        training_script: the normalized input.
        min_nbor_dist: shortest distance in the training data, Å.
        parallel: whether several processes of LAMMPS can run a model that passes messages. Each
            then evaluates the atoms of others that send messages to its own. LAMMPS provides them
            because the cutoff in the file is the distance that messages come from.

    Returns:
        The path written.

    Raises:
        ConfigError: the model gives no energies, or cannot be written for several processes.
        DataError: there is something else of that name.
        OSError: the folder cannot be written to, or the disk is full.
        ModelFileError: what was written, which is run once before it gets its name, does not run.
    """
    if not isinstance(model, EnergyModel):
        raise ConfigError(
            f"{path}: models with the fitting {type(model.fitting).__name__} cannot be written as "
            "SavedModels; write a .dp file."
        )
    refuse_unwritable(model, path)
    if parallel:
        check_parallel(model, path)
    module = make_module(
        model, training_script=training_script, min_nbor_dist=min_nbor_dist, parallel=parallel
    )
    # TensorFlow would tell where it writes, which is a temporary folder.
    quiet = at_level(tf.get_logger(), logging.WARNING)
    with write_folder_whole(path, mark=MARK) as folder, quiet:
        with _system_errors(path):
            # Nothing is differentiated any more, and these would keep the weights as variables.
            options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
            tf.saved_model.save(module, str(folder), options=options)
        _try(folder, path, model)
    if parallel:
        log.info("%s", _advice(model))
    elif model.descriptor.passes_messages:
        log.info(
            "messages between atoms: LAMMPS runs %s in one process, with atom_modify map yes in "
            "its input; for several, freeze with --parallel, or distill it into a DPA-1 model",
            Path(path).name,
        )
    return Path(path)


def make_module(
    model: EnergyModel,
    *,
    training_script: Mapping,
    min_nbor_dist: float | None = None,
    parallel: bool = False,
) -> tf.Module:
    """The functions that `save_model` writes, by the names that DeePMD-kit looks for.

    C++ finds a function by the name of its Python function, and its arguments and results by their
    places; Python finds it by the name of the module's attribute.
    """
    module = tf.Module()
    evaluate = _evaluation(model, parallel=parallel)
    for atomic in (False, True):
        for name, make in (("call", _without_list), ("call_lower", _with_list)):
            attribute = f"{name}_atomic_virial" if atomic else name
            function = make(model, evaluate, name, atomic=atomic, parallel=parallel)
            setattr(module, attribute, function)
    facts = _facts(model, training_script, min_nbor_dist)
    if parallel:
        # With this cutoff LAMMPS has all atoms that messages come from; it need not know owners.
        facts |= {NEIGHBOR_RCUT: facts["get_rcut"], "get_rcut": np.float64(_reach(model))}
        facts["has_message_passing"] = np.bool_(False)
    for name, value in facts.items():
        setattr(module, name, _constant(name, value))
    return module


def _evaluation(model: EnergyModel, *, parallel: bool) -> Callable[..., dict[str, tf.Tensor]]:
    """The function that all others call, so that weights are stored once.

    It takes frames of the same list of neighbors, if their ``mesh`` has one.
    """
    arrays, variables = model.get_arrays(), model.named_variables()

    def evaluate(
        coord: tf.Tensor,
        atype: tf.Tensor,
        natoms: tf.Tensor,
        box: tf.Tensor,
        mesh: tf.Tensor,
        owner: tf.Tensor,
        shells: tf.Tensor,
        fparam: tf.Tensor,
        aparam: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        weights = [(variables[name], tf.constant(array)) for name, array in arrays.items()]
        inputs = {
            "coord": tf.cast(coord, model.interface_dtype),
            "atype": atype,
            "natoms": natoms,
            "box": tf.cast(box, model.interface_dtype),
            "mesh": mesh,
            "owner": owner,
        }
        if parallel:
            inputs["shells"] = shells
        for name, value in (("fparam", fparam), ("aparam", aparam)):
            if value.shape[-1]:
                inputs[name] = tf.cast(value, model.interface_dtype)

        def results() -> dict[str, tf.Tensor]:
            with keras.StatelessScope(state_mapping=weights):
                outputs = infer(model, inputs)
            names = ("energy", "atom_energy", "force", "virial", "atom_virial")
            return {name: tf.cast(outputs[name], tf.float64) for name in names}

        def results_in_blocks() -> dict[str, tf.Tensor]:
            with frugal():
                return results()

        if not model.descriptor.passes_messages:
            return results()
        return tf.cond(natoms[0] * tf.shape(atype)[0] <= _MOST_WHOLE, results, results_in_blocks)

    return _function(
        "evaluate",
        evaluate,
        tf.TensorSpec([None, None, 3], tf.float64),
        tf.TensorSpec([None, None], tf.int32),
        tf.TensorSpec([model.ntypes + 2], tf.int32),
        tf.TensorSpec([None, 9], tf.float64),
        tf.TensorSpec([None], tf.int32),
        tf.TensorSpec([None], tf.int32),
        tf.TensorSpec([len(model.descriptor.message_cutoffs) + 1], tf.int32),
        *_parameters(model),
    )


def _without_list(
    model: EnergyModel, evaluate: Callable, name: str, *, atomic: bool, parallel: bool
) -> Callable:
    """The function that finds neighbors itself; its results are those of the atoms given."""

    def call(
        coord: tf.Tensor, atype: tf.Tensor, box: tf.Tensor, fparam: tf.Tensor, aparam: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        nframes, natoms = tf.unstack(tf.shape(atype))
        # Without a cell the box has no elements.
        box = tf.cond(
            tf.size(box) > 0,
            lambda: tf.reshape(box, [-1, 9]),
            lambda: tf.zeros([nframes, 9], tf.float64),
        )
        counts, owner = natoms_of(natoms, natoms, model.ntypes), tf.range(natoms)
        shells = tf.fill([len(model.descriptor.message_cutoffs) + 1], nframes * natoms)
        outputs = evaluate(
            *(coord, atype, counts, box, mesh_of_box(box), owner, shells), fparam, aparam
        )
        return _results(outputs, model.contributes(atype), atomic=atomic, shares=atomic)

    return _function(
        f"{name}_{'with' if atomic else 'without'}_atomic_virial",
        call,
        tf.TensorSpec([None, None, 3], tf.float64),
        tf.TensorSpec([None, None], tf.int32),
        tf.TensorSpec([None, None, None], tf.float64),
        *_parameters(model),
    )


def _with_list(
    model: EnergyModel, evaluate: Callable, name: str, *, atomic: bool, parallel: bool
) -> Callable:
    """The function for atoms, ghosts and a list of neighbors within the cutoff and a skin."""

    of_frame = make_listed_frame(model, evaluate, parallel=parallel)

    def call_lower(
        coord: tf.Tensor,
        atype: tf.Tensor,
        nlist: tf.Tensor,
        mapping: tf.Tensor,
        fparam: tf.Tensor,
        aparam: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        frames = (coord, atype, tf.cast(nlist, tf.int32), tf.cast(mapping, tf.int32))
        outputs = tf.map_fn(
            lambda frame: of_frame(*frame),
            (*frames, fparam, aparam),
            fn_output_signature={
                "energy": tf.TensorSpec([], tf.float64),
                "atom_energy": tf.TensorSpec([None], tf.float64),
                "force": tf.TensorSpec([None, 3], tf.float64),
                "virial": tf.TensorSpec([9], tf.float64),
                "atom_virial": tf.TensorSpec([None, 9], tf.float64),
            },
        )
        mask = model.contributes(atype[:, : tf.shape(nlist)[1]])
        return _results(outputs, mask, atomic=atomic, shares=True)

    return _function(
        f"{name}_{'with' if atomic else 'without'}_atomic_virial",
        call_lower,
        tf.TensorSpec([None, None, 3], tf.float64),
        tf.TensorSpec([None, None], tf.int32),
        tf.TensorSpec([None, None, None], tf.int64),
        tf.TensorSpec([None, None], tf.int64),
        *_parameters(model),
    )


def _results(
    outputs: Mapping[str, tf.Tensor], mask: tf.Tensor, *, atomic: bool, shares: bool
) -> dict[str, tf.Tensor]:
    """The results that C++ reads by position, in the order of these names.

    Args:
        outputs: of the model.
        mask: which of the local atoms contribute.
        atomic: whether the shares of atoms in the virial are wanted.
        shares: whether they have a place at least.
    """
    shares_of_atoms = outputs["atom_virial"][:, :, tf.newaxis]
    results = {
        "energy": outputs["atom_energy"][:, :, tf.newaxis],
        "energy_derv_c": shares_of_atoms if atomic else tf.zeros_like(shares_of_atoms),
        "energy_derv_c_redu": outputs["virial"][:, tf.newaxis],
        "energy_derv_r": outputs["force"][:, :, tf.newaxis],
        "energy_redu": outputs["energy"][:, tf.newaxis],
        "mask": tf.cast(mask, tf.int32),
    }
    if not shares:
        del results["energy_derv_c"]
    return results


def _parameters(model: EnergyModel) -> list[tf.TensorSpec]:
    """Signatures of frame and atomic parameters, which have no columns where there are none."""
    return [
        tf.TensorSpec([None, model.fitting.numb_fparam], tf.float64),
        tf.TensorSpec([None, None, model.fitting.numb_aparam], tf.float64),
    ]


def _facts(
    model: EnergyModel, training_script: Mapping, min_nbor_dist: float | None
) -> dict[str, np.ndarray | np.generic]:
    """The description of a model, by the names of the functions that return it."""
    sel = np.atleast_1d(model.descriptor.sel)
    facts: dict[str, np.ndarray | np.generic] = {
        "get_rcut": np.float64(model.rcut),
        "get_dim_fparam": np.int64(model.fitting.numb_fparam),
        "get_dim_aparam": np.int64(model.fitting.numb_aparam),
        "get_type_map": np.array(model.type_map, object),
        "get_sel": sel.astype(np.int64),
        "get_sel_type": np.zeros(0, np.int64),
        "has_message_passing": np.bool_(model.descriptor.passes_messages),
        "is_aparam_nall": np.bool_(False),
        "mixed_types": np.bool_(len(sel) == 1),
        "model_output_type": np.array(["energy", "mask"], object),
        "get_model_def_script": np.array(json.dumps(training_script["model"]), object),
    }
    default = model.fitting.default_fparam
    facts["has_default_fparam"] = np.bool_(default is not None)
    if default is not None:
        facts["get_default_fparam"] = np.array(default, np.float64)
    if min_nbor_dist is not None:
        facts["get_min_nbor_dist"] = np.float64(min_nbor_dist)
    return facts


def _reach(model: EnergyModel) -> float:
    """The distance from which messages come, Å: one from each layer, and the last's neighbors."""
    return model.rcut + sum(model.descriptor.message_cutoffs)


def _advice(model: EnergyModel) -> str:
    """What LAMMPS needs for the long lists of a parallel model."""
    reach = _reach(model)
    text = (
        "LAMMPS runs this model in any number of processes, without atom_modify map yes; its "
        f"cutoff there is {reach:g} Å, the distance that messages come from"
    )
    neighbors = _DENSITY * 4 / 3 * np.pi * (reach + _SKIN) ** 3
    if neighbors <= _LONGEST:
        return text
    one = 1000 * int(np.ceil(neighbors / 1000))
    return f"{text}. Its neighbor lists need: neigh_modify one {one} page {10 * one}"


def _constant(name: str, value: np.ndarray | np.generic) -> Callable:
    """A function without arguments that returns a constant."""
    return _function(name, lambda: tf.constant(value))


def _function(name: str, function: Callable, *signature: tf.TensorSpec) -> Callable:
    """A TensorFlow function of one trace, made of TensorFlow's own operations."""

    def traced(*arguments: tf.Tensor) -> dict[str, tf.Tensor]:
        with ops.plain():
            return function(*arguments)

    traced.__name__ = name
    return tf.function(traced, input_signature=signature, autograph=False)


def _try(folder: Path, path: str | Path, model: EnergyModel) -> None:
    """Run what is in a folder once, on two atoms.

    Raises:
        ModelFileError: it does not run, or gives numbers that are not finite.
    """
    coord, atype = two_atoms(model.rcut, model.ntypes)
    fparam = np.zeros((1, model.fitting.numb_fparam))
    aparam = np.zeros((1, 2, model.fitting.numb_aparam))
    try:
        with unoptimized():
            loaded = tf.saved_model.load(str(folder))
            found = loaded.call(coord, atype, np.zeros((0, 0, 0)), fparam, aparam)
    except (ValueError, tf.errors.OpError) as error:
        text = str(error).strip().splitlines()[0]
        raise ModelFileError(f"{path}: is not written, as it does not run: {text}") from None
    wrong = [name for name, value in found.items() if not np.isfinite(value).all()]
    if wrong:
        raise ModelFileError(
            f"{path}: is not written, as {wrong[0]} of two atoms is not finite; look for such "
            "numbers in the model's weights"
        )


@contextmanager
def _system_errors(path: str | Path) -> Iterator[None]:
    """Turn what TensorFlow raises when it cannot write into the system's error."""
    try:
        yield
    except tf.errors.OpError as error:
        # The system's own words are the last of the message, after the temporary path.
        words = error.message.rpartition("; ")[2]
        number = next((n for n in errno.errorcode if os.strerror(n) == words), errno.EIO)
        raise OSError(number, words, os.fspath(path)) from error
