"""Several devices or processes make the steps of one, and say when one is missing or stops."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from deepattn.errors import ConfigError, DistributionError
from deepattn.formats.checkpoint import read_checkpoint
from deepattn.train import train
from deepattn.train.cluster import from_environment
from deepattn.train.rendezvous import meet
from deepattn.train.schedule import make_schedule

from . import toy
from .test_multitask import make_input as make_tasks

# The decay does not depend on the number of steps; the clipping needs the gradient of all replicas.
_INPUT = {"rate": {"scale_by_worker": "none", "decay_rate": 0.9}, "gradient_max_norm": 0.5}

# Gradients of several types are added up apart; then the command itself.
_WORKER = """
import sys
import tensorflow as tf

from deepattn.cli.main import main
from deepattn.train import cluster, distribution, run

here = cluster.from_environment()


@tf.function(autograph=False)
def sums():
    def on_replica():
        parts = [tf.constant(1.0), tf.constant([2.0], tf.float64), None, tf.constant([3.0, 4.0])]
        return [x for x in distribution.add_up(parts) if x is not None]

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


def free_ports(count):
    """Ports that nobody listens at."""
    sockets = [socket.socket() for _ in range(count)]
    for entry in sockets:
        entry.bind(("127.0.0.1", 0))
    ports = [entry.getsockname()[1] for entry in sockets]
    for entry in sockets:
        entry.close()
    return [f"127.0.0.1:{port}" for port in ports]


def write_input(folder, systems, batch_size, **training):
    """An input in a folder of its own, whose path is returned."""
    folder.mkdir()
    data = {"systems": systems, "batch_size": batch_size}
    section = {"numb_steps": 10, "training_data": data, **_INPUT, **training}
    (folder / "input.json").write_text(json.dumps(toy.make_input(systems, **section)))
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
    assert set(arrays) == set(others)
    for name, array in arrays.items():
        scale = np.abs(array).max(initial=0)
        np.testing.assert_allclose(others[name], array, rtol=0, atol=1e-12 * scale, err_msg=name)


@pytest.mark.slow
def test_two_processes_make_the_steps_of_one_and_can_be_gone_on_from(
    tmp_path, systems, monkeypatch
):
    pair = write_input(tmp_path / "pair", systems, 1, numb_steps=10**6, max_ckpt_keep=10**6)
    cluster = {"worker": free_ports(2)}
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
    process = start(["-c", _MIRRORED], two)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    one = write(tmp_path / "one", systems, 2)
    monkeypatch.chdir(one)
    train("input.json")
    assert_equal_to_rounding("model.ckpt-10.h5", two / "model.ckpt-10.h5")


def test_workers_meet_and_a_stranger_does_not_count():
    addresses = free_ports(3)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(meet, addresses, 0, timeout=20)
        host, port = addresses[0].split(":")
        while True:
            try:
                with socket.create_connection((host, int(port))) as stranger:
                    stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
                break
            except OSError:
                time.sleep(0.01)
        others = [pool.submit(meet, addresses, place, timeout=20) for place in (1, 2)]
        for future in (first, *others):
            future.result()


def test_missing_workers_are_named():
    addresses = free_ports(3)
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(meet, addresses, place, timeout=0.5) for place in (0, 2)]
        with pytest.raises(DistributionError, match=r"worker 1 \(127.0.0.1:\d+\) has not come"):
            futures[0].result()
        with pytest.raises(DistributionError, match=r"worker 0 at .* has not gathered the 3"):
            futures[1].result()


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(DistributionError, match=r"worker 1 cannot listen at port .* in use"):
            meet([*free_ports(1), address], 1, timeout=0.5)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{", "not a cluster and a task"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}', "not a clus"),
        ('{"cluster": {"worker": ["a"]}, "task": {"type": "worker", "index": 0}}', "not a cluster"),
        ('{"cluster": {"ps": ["a:1"]}, "task": {"type": "ps", "index": 0}}', "workers only"),
    ],
)
def test_a_bad_tf_config_is_refused(config, message, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(ConfigError, match=message):
        from_environment()


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
