"""The first lines of a log: on what, with what and of what a training is made."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

import deepattn
from deepattn import ops
from deepattn.config import network_dtype
from deepattn.data import DataSet
from deepattn.ops.build_objects import processors
from deepattn.train.distributed.strategy import Distribution
from deepattn.train.task import Task

_SETS = {"generic": "any processor's", "avx2": "AVX2", "avx512": "AVX-512"}


def program_lines(distribution: Distribution) -> list[str]:
    """Versions, and the machine: devices, threads, kernels."""
    versions = (
        f"deepattn {deepattn.__version__}, TensorFlow {tf.__version__}, Keras {keras.__version__}, "
        f"Python {platform.python_version()}"
    )
    gpus = tf.config.list_physical_devices("GPU")
    device = _count(len(gpus), "GPU") if gpus else "CPU"
    workers = f", {_count(distribution.workers, 'worker')}" if distribution.workers > 1 else ""
    threads = tf.config.threading.get_intra_op_parallelism_threads()
    threads = threads or int(os.environ.get("TF_NUM_INTRAOP_THREADS") or 0) or processors()
    found = ops.instruction_set()
    kernels = f"compiled kernels ({_SETS[found]})" if found else "no compiled kernels"
    machine = f"{platform.node()}: {device}{workers}, {_count(threads, 'thread')}, {kernels}"
    return [versions, machine]


def training_lines(tasks: Sequence[Task], variables: Sequence[keras.Variable]) -> list[str]:
    """Lines about the model, the data and the papers to cite.

    Args:
        tasks: With models and data.
        variables: The trained weights of all tasks, each once.
    """
    models: dict[str, list[str]] = {}
    for task in tasks:
        section = task.config.model
        precision = network_dtype(section.descriptor.precision, task.model.interface_dtype)
        models.setdefault(section.descriptor.title, []).append(precision)
    names = ", ".join(f"{name} in {' and '.join(dict.fromkeys(p))}" for name, p in models.items())
    count = sum(int(np.prod(variable.shape)) for variable in variables)
    several = f", {len(tasks)} branches" if len(tasks) > 1 else ""
    lines = [f"model: {names}{several}, {_count(count, 'parameter')}"]
    lines.append(f"training data: {_size([task.data for task in tasks])}")
    if valid := [t.validation_data for t in tasks if t.validation_data is not None]:
        lines[-1] += f"; validation data: {_size(valid)}"
    sections = [task.config.model.descriptor for task in tasks]
    papers = dict.fromkeys(f"{one.title}: {one.paper}" for one in sections if one.paper)
    return [*lines, f"please cite {'; '.join(papers)}"] if papers else lines


def _size(sets: Sequence[DataSet]) -> str:
    systems = [system for data in sets for system in data.systems]
    frames = sum(system.nframes for system in systems)
    return f"{_count(frames, 'frame')} in {_count(len(systems), 'system')}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
