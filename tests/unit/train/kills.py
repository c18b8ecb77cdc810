"""Trainings that are killed at random moments and resumed; a program, since it forks.

Arguments: a folder, the number of kills, and a seed. Each run is trained once to its end, and once
with kills until it comes to its end; then both must have left the same files. It prints what it has
found as JSON.

All is as in any training but for what takes the time: a step moves the weights by a rule of its own
instead of along a gradient, and the threads that prepare batches are left out.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import numpy as np
import tensorflow as tf

from deepattn.cli.main import main
from deepattn.errors import DeepattnError
from deepattn.formats.checkpoint import read_checkpoint
from deepattn.models import EnergyModel
from deepattn.train import batches
from deepattn.train.evaluation import Evaluation
from deepattn.train.loop import TrainingLoop
from deepattn.train.task_runner import TaskRunner

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from train import toy

STEPS = 12


class Source:
    """Batches as they are read, in the place of a `tf.data.Dataset` and its iterator."""

    def __init__(self, spec, read):
        self.element_spec, self._read = spec, read

    def map(self, function):
        return self

    def prefetch(self, count):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        return self._read()


def metrics_of(model, inputs):
    """A value for each column that depends on the weights and on the batch."""
    value = float(np.abs(inputs["coord"]).mean())
    value += sum(float(np.abs(v.numpy()).sum()) for v in model.trainable_variables)
    return {name: value for name in model.training_loss.metric_names}


def train_step(runner):
    """A step on the next item, as a `TaskRunner` has it."""
    model = runner._model

    def step(items):
        (batch,) = next(items)
        metrics = metrics_of(model, batch.inputs)
        for variable in model.trainable_variables:
            variable.assign(0.9 * variable.numpy() + 1e-3 * metrics["rmse"])
        model.optimizer.iterations.assign_add(1)
        return tf.constant([list(metrics.values())], tf.float64)

    return step


def errors_of(evaluation):
    """An error that rises and falls with the weights."""
    total = sum(float(v.numpy().sum()) for v in evaluation._model.trainable_variables)
    return {"mae_ea": (1.0 + np.sin(1e3 * total), 1.0)}


def make_light():
    """Leave out what takes the time of so short a training."""
    tf.config.run_functions_eagerly(True)
    batches._reading = Source
    EnergyModel.prepare = lambda self, inputs: inputs
    TaskRunner._train_step = property(train_step)
    EnergyModel.test_step_metrics = lambda self, data: metrics_of(self, data[0])
    Evaluation.__call__ = errors_of


def write_input(folder, systems, options):
    folder.mkdir()
    content = toy.make_input(
        systems,
        valid=systems[:1],
        numb_steps=STEPS,
        disp_freq=options["disp_freq"],
        save_freq=options["save_freq"],
        max_ckpt_keep=options["keep"],
        enable_ema=options["average"],
        ema_decay=0.8,
        ema_ckpt_keep=options["keep_average"],
    )
    content["training"]["disp_file"] = "curve/lcurve.out"
    content["validating"] = {
        "full_validation": not options["several"],
        "ema_full_validation": options["average"] and not options["several"],
        "validation_freq": options["validation_freq"],
        "full_val_start": 2,
        "max_best_ckpt": options["keep"],
        "save_best_dir": "best",
    }
    if options["patience"] and not options["several"]:
        content["validating"]["patience"] = options["patience"]
    if options["several"]:
        model, training = content["model"], content["training"]
        data = training.pop("training_data")
        del training["validation_data"], content["loss"]
        training["data_dict"] = {
            name: {"training_data": {**data, "systems": [system]}}
            for name, system in zip("ab", systems, strict=True)
        }
        branch = {"type_map": "types", "descriptor": "net", "fitting_net": model["fitting_net"]}
        content["model"] = {
            "type_embedding": model["type_embedding"],
            "shared_dict": {"types": model["type_map"], "net": model["descriptor"]},
            "model_dict": {"a": branch, "b": branch},
        }
    (folder / "input.json").write_text(json.dumps(content))


def start(folder):
    """Train, or resume, in a child; its number, and a pipe on which it says that it takes steps."""
    argv = ["train", "input.json", "--skip-neighbor-stat"]
    if (folder / "model.ckpt.h5").exists():
        argv += ["--restart", "model.ckpt"]
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    status = 99
    try:
        os.chdir(folder)
        log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        run = TrainingLoop.run

        def told(self, *args):
            os.write(writing, b"x")
            return run(self, *args)

        TrainingLoop.run = told
        status = main(argv)
    finally:
        os._exit(status)


def end_of(child, pipe):
    os.close(pipe)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def run_and_kill(folder, after_start, delay):
    """Kill a run a while after its first step, or after its start; its status."""
    child, pipe = start(folder)
    if not after_start:
        os.read(pipe, 1)
    os.close(pipe)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def names(folder):
    """Unexpected files, other than those of the test and of backups."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir())
    return sorted(str(path) for path in paths if path.name != "log" and "backup-" not in str(path))


def faults_of_checkpoints(folder):
    """Checkpoints that cannot be read, by whatever name."""
    if not (folder / "model.ckpt.h5").exists():
        return []
    faults = []
    for path in (folder, folder / "model.ckpt", *folder.glob("model.ckpt-*.h5")):
        try:
            read_checkpoint(path)
        except (DeepattnError, OSError) as error:
            faults.append(str(error))
    return faults


def read(path):
    return path.read_bytes() if path.exists() else None


def differences(folder, whole):
    """Differences in the files of a killed run and an uninterrupted one."""
    found = []
    if names(folder) != names(whole):
        found.append([names(folder), names(whole)])
    for name in ("curve/lcurve.out", "checkpoint", "val.log", "val_ema.log"):
        contents = [read(place / name) for place in (folder, whole)]
        if contents[0] != contents[1]:
            found.append(name)
    for path in whole.rglob("*-*.h5"):
        if not (folder / path.relative_to(whole)).exists():
            continue
        arrays, header = read_checkpoint(path)
        others, other = read_checkpoint(folder / path.relative_to(whole))
        if header != other or set(arrays) != set(others):
            found.append(f"{path.name}: header or names")
        found += [n for n, a in arrays.items() if not np.array_equal(a, others.get(n))]
    return found


def main_loop(root, kills, seed):
    rng = random.Random(seed)
    systems = [
        toy.write_system(root / "data" / "a", [1, 0, 1, 0, 1, 1], 5, seed=1),
        toy.write_system(root / "data" / "b", [0, 0, 1, 1, 0, 1, 1, 0], 4, seed=2),
    ]
    result = {"kills": 0, "with a checkpoint": 0, "runs": 0, "backups": 0, "faults": []}
    while result["kills"] < kills:
        options = {
            "several": result["runs"] % 2 == 1,
            "save_freq": rng.randint(1, 5),
            "keep": rng.choice([1, 2, 5]),
            "disp_freq": rng.randint(1, 4),
            "validation_freq": rng.randint(1, 3),
            "patience": rng.choice([None, 1, 2]),
            "average": rng.random() < 0.7,
            "keep_average": rng.choice([None, 1, 3]),
        }
        whole, folder = root / "whole", root / "killed"
        for place in (whole, folder):
            shutil.rmtree(place, ignore_errors=True)
            write_input(place, systems, options)
        began = time.monotonic()
        child, pipe = start(whole)
        os.read(pipe, 1)
        starting = time.monotonic() - began
        status = end_of(child, pipe)
        took = time.monotonic() - began
        for _ in range(min(12, kills - result["kills"])):
            if status:
                break
            after_start = rng.random() < 0.1
            # Many die soon after a start, so that the start itself is killed too.
            delay = rng.uniform(0.0, took if after_start else max(0.05, took - starting))
            killed = run_and_kill(folder, after_start, delay)
            if killed >= 0:
                break
            result["kills"] += 1
            result["with a checkpoint"] += (folder / "model.ckpt.h5").exists()
            result["faults"] += [[options, fault] for fault in faults_of_checkpoints(folder)]
        status = status or end_of(*start(folder))
        result["runs"] += 1
        result["backups"] += len(list(folder.rglob("backup-*")))
        found = [f"status {status}"] if status else differences(folder, whole)
        if found:
            logs = [place / "log" for place in (folder, whole) if (place / "log").exists()]
            result["faults"].append([options, found, logs[0].read_text()[-2000:]])
            break
        # For a look at a long run while it goes.
        (root / "result.json").write_text(json.dumps(result))
    return result


if __name__ == "__main__":
    make_light()
    print(json.dumps(main_loop(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
