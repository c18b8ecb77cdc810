"""Several devices or processes make the steps of one, and say when one is missing or stops."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import processes
import pytest
import slurm
from ports import free_addresses

from deepattn.errors import ConfigError
from deepattn.formats.checkpoint import read_checkpoint
from deepattn.schedules import make_schedule
from deepattn.train import train
from deepattn.train.distributed import cluster
from deepattn.train.distributed.cluster import from_environment
from deepattn.train.distributed.rendezvous import rendezvous
from deepattn.train.distributed.secret import VARIABLE

from . import toy
from .test_multitask import make_input as make_tasks

# The decay does not depend on the number of steps; the clipping needs the gradient of all replicas.
_INPUT = {"rate": {"scale_by_worker": "none", "decay_rate": 0.9}, "gradient_max_norm": 0.5}

# Gradients of several types are added up apart; then the command itself.
_WORKER = """
import sys
import tensorflow as tf

from deepattn.cli.main import main
from deepattn.train import run
from deepattn.optimizers.base import add_up
from deepattn.train.distributed import cluster

here = cluster.from_environment()


@tf.function(autograph=False)
def sums():
    def on_replica():
        parts = [tf.constant(1.0), tf.constant([2.0], tf.float64), None, tf.constant([3.0, 4.0])]
        return [x for x in add_up(parts) if x is not None]

    return here.strategy.run(on_replica)


assert [x.numpy().tolist() for x in sums()] == [2.0, [4.0], [6.0, 8.0]]
run.from_environment = lambda: here
sys.exit(main(["train", "input.json"]))
"""

_MIRRORED = """
import sys
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from deepattn.config import read_config
from deepattn.train import Trainer

with tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"]).scope():
    trainer = Trainer(read_config("input.json"))
assert trainer.distribution.replicas == 2
trainer.train()
"""


def write_input(folder, systems, batch_size, **training):
    """An input in a folder of its own, whose path is returned."""
    folder.mkdir()
    data = {"systems": systems, "batch_size": batch_size}
    section = {"numb_steps": 10, "training_data": data, "enable_ema": True, "ema_decay": 0.8}
    section |= {**_INPUT, **training}
    content = toy.make_input(systems, valid=systems[:1], **section)
    content["validating"] = {
        "full_validation": True,
        "ema_full_validation": True,
        "validation_freq": 5,
        "full_val_start": 0,
    }
    (folder / "input.json").write_text(json.dumps(content))
    return folder


def start(command, folder, **environment):
    """A process of its own, with the repository's modules."""
    root = Path(__file__).resolve().parents[3]
    path = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, **environment},
        stderr=subprocess.PIPE,
        text=True,
    )


def assert_equal_to_rounding(first, second):
    arrays, header = read_checkpoint(first)
    others, other_header = read_checkpoint(second)
    assert header["sampler"] == other_header["sampler"]
    # The multi-task input has neither.
    averaged = any(name.startswith("ema/") for name in arrays)
    assert averaged == ("ema_validation" in header)
    for name in ("validation", "ema_validation") if averaged else ():
        records = [np.array(head[name]["best"]) for head in (header, other_header)]
        np.testing.assert_allclose(*records, rtol=1e-9)
    assert set(arrays) == set(others)
    for name, array in arrays.items():
        scale = np.abs(array).max(initial=0)
        np.testing.assert_allclose(others[name], array, rtol=0, atol=1e-12 * scale, err_msg=name)


@pytest.mark.slow
def test_two_processes_make_the_steps_of_one_and_can_be_gone_on_from(
    tmp_path, systems, monkeypatch
):
    pair = write_input(tmp_path / "pair", systems, 1, numb_steps=10**6, max_ckpt_keep=10**6)
    cluster = {"worker": free_addresses(2)}
    configs = [
        json.dumps({"cluster": cluster, "task": {"type": "worker", "index": k}}) for k in (0, 1)
    ]
    workers = [start(["-c", _WORKER], pair, TF_CONFIG=config) for config in configs]
    try:
        while not (pair / "model.ckpt-10.h5").exists():
            for worker in workers:
                assert worker.poll() is None, worker.communicate()[1]
            time.sleep(0.1)
        workers[0].send_signal(signal.SIGKILL)
        said = workers[1].communicate(timeout=60)[1]
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()
    assert workers[1].returncode == 1
    assert "deepattn: error: worker 0 of the training has stopped" in said.splitlines()[-1]
    assert "initialize model" not in said

    alone = write_input(tmp_path / "alone", systems, 2)
    monkeypatch.chdir(alone)
    train("input.json")
    assert_equal_to_rounding("model.ckpt-10.h5", pair / "model.ckpt-10.h5")

    monkeypatch.chdir(pair)
    _, header = read_checkpoint("model.ckpt")
    data = {"systems": systems, "batch_size": 2}
    steps = header["step"] + 1
    (pair / "input.json").write_text(
        json.dumps(toy.make_input(systems, numb_steps=steps, training_data=data, **_INPUT))
    )
    train("input.json", restart="model.ckpt")
    assert read_checkpoint("model.ckpt")[1]["step"] == steps


def write_tasks(folder, systems, batch_size):
    """The same of two tasks, with a system each."""
    folder.mkdir()
    content = make_tasks(systems, numb_steps=10, **_INPUT)
    for branch in content["training"]["data_dict"].values():
        branch["training_data"]["batch_size"] = batch_size
    (folder / "input.json").write_text(json.dumps(content))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("write", [write_input, write_tasks])
def test_two_devices_make_the_steps_of_one(tmp_path, systems, monkeypatch, write):
    two = write(tmp_path / "two", systems, 1)
    done = processes.run([sys.executable, "-c", _MIRRORED], cwd=two, timeout=120)
    assert done.returncode == 0, done.stderr
    one = write(tmp_path / "one", systems, 2)
    monkeypatch.chdir(one)
    train("input.json")
    assert_equal_to_rounding("model.ckpt-10.h5", two / "model.ckpt-10.h5")


@pytest.mark.slow
@pytest.mark.parametrize("number", [None, signal.SIGTERM, signal.SIGINT])
def test_a_start_that_cannot_be_ends(tmp_path, systems, number):
    """The other worker meets, and then is gone, or sits there while this one gets a signal."""
    folder = write_input(tmp_path / "alone", systems, 1)
    addresses = free_addresses(2)
    task = {"type": "worker", "index": 0}
    config = json.dumps({"cluster": {"worker": addresses}, "task": task})
    secret = "known to both of them"
    chief = start(
        ["-m", "deepattn", "train", "input.json"], folder, TF_CONFIG=config, **{VARIABLE: secret}
    )
    try:
        with rendezvous(addresses, 1, secret=secret.encode, timeout=120):
            if number is not None:
                time.sleep(2)
                assert chief.poll() is None
                chief.send_signal(number)
                chief.wait(timeout=10)
        _, said = chief.communicate(timeout=30)
    finally:
        chief.kill()
        chief.communicate()
    if number is signal.SIGINT:
        assert chief.returncode == -signal.SIGINT
    else:
        reason = "SIGTERM." if number else f"worker 1 ({addresses[1]}) has stopped"
        assert f"stopped while TensorFlow connected the workers: {reason}" in said
        assert chief.returncode == -signal.SIGKILL
    assert [path.name for path in folder.iterdir()] == ["input.json"]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{", "not a valid cluster and task"),
        (
            '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
            "not a valid",
        ),
        (
            '{"cluster": {"worker": ["a"]}, "task": {"type": "worker", "index": 0}}',
            "not a valid cluster",
        ),
        ('{"cluster": {"ps": ["a:1"]}, "task": {"type": "ps", "index": 0}}', "has only workers"),
    ],
)
def test_a_bad_tf_config_is_refused(config, message, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(ConfigError, match=message):
        from_environment()


@pytest.mark.parametrize(
    ("node", "task", "place"), [("n10", 0, 0), ("n10", 1, 1), ("n9", 0, 2), ("n9", 1, 3)]
)
def test_places_of_the_tasks_of_slurm(node, task, place, monkeypatch):
    """Ranks alternate between nodes, and n10 comes before n9 in TensorFlow's list."""
    found = {"STEP_NUM_TASKS": 4, "STEP_NODELIST": "n[9-10]", "STEP_TASKS_PER_NODE": "2(x2)"}
    found |= {"PROCID": 2 * task + (node == "n10"), "LOCALID": task, "JOB_ID": 307, "STEP_ID": 1}
    for name, value in found.items():
        monkeypatch.setenv(f"SLURM_{name}", str(value))
    monkeypatch.setenv("SLURMD_NODENAME", node)
    assert cluster.in_step_of_slurm()
    addresses = [f"{name}:{20000 + 8 * 64 + k}" for name in ("n10", "n9") for k in (0, 1)]
    assert cluster._read_slurm() == (addresses, place)
    monkeypatch.setenv("SLURMD_NODENAME", "n11")
    with pytest.raises(ConfigError, match="DEEPATTN_CLUSTER=none to train in this process alone"):
        cluster._read_slurm()
    monkeypatch.setenv("DEEPATTN_CLUSTER", "none")
    assert not cluster.in_step_of_slurm()
    assert from_environment().workers == 1


@pytest.mark.slow
@pytest.mark.skipif(bool(slurm.missing()), reason=slurm.missing() or "there is a Slurm")
def test_tasks_of_slurm_find_each_other(tmp_path, tmp_path_factory, systems):
    folder = write_input(tmp_path / "run", systems, batch_size=1)
    with slurm.cluster(tmp_path_factory.mktemp("slurm")) as environment:
        environment.pop("TF_CONFIG", None)
        done = subprocess.run(
            ["srun", "--ntasks=2", sys.executable, "-m", "deepattn", "train", "input.json"],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.count("2 workers, devices of each: 1") == 2
    # After that the first worker alone reports.
    assert done.stderr.count("finished training") == 1
    assert (folder / "model.ckpt.h5").exists()


def test_a_cluster_of_one_is_no_cluster(monkeypatch):
    task = {"type": "worker", "index": 0}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": {"worker": ["a:1"]}, "task": task}))
    distribution = from_environment()
    assert (distribution.workers, distribution.replicas, distribution.chief) == (1, 1, True)
    assert list(distribution.places) == [0]


@pytest.mark.parametrize(("rule", "factor"), [("linear", 4), ("sqrt", 2), ("none", 1)])
def test_learning_rates_grow_with_the_workers(rule, factor):
    section = {"start_lr": 1e-3, "stop_lr": 1e-5, "scale_by_worker": rule}
    scaled = make_schedule(section, 1000, workers=4)
    alone = make_schedule(section, 1000)
    for step in (0, 500, 1000):
        assert scaled.value(step) == pytest.approx(factor * alone.value(step), rel=1e-6)
