"""Workers and devices from the environment: ``TF_CONFIG``, Slurm, and the visible GPUs."""

import json
import logging
import os

import tensorflow as tf

from deepattn.errors import ConfigError, DistributionError
from deepattn.train.distributed.rendezvous import rendezvous
from deepattn.train.distributed.secret import cluster_secret
from deepattn.train.distributed.strategy import Distribution

log = logging.getLogger(__name__)

# s. How long a worker waits for the others to start.
START_TIMEOUT = 300
# A value of this variable keeps the tasks of a step of Slurm apart.
CLUSTER = "DEEPATTN_CLUSTER"
_NONE = "none"
# Ports of the workers of a step: so many of them, from here on, by its number.
_FIRST_PORT, _STEPS, _PORTS_OF_STEP = 20000, 150, 64

_JOBS = ("chief", "worker")


def from_environment() -> Distribution:
    """Distribution that ``TF_CONFIG``, Slurm and the visible GPUs describe.

    With a cluster of more than one task in ``TF_CONFIG``, or without it under ``srun``: all of
    them, on all GPUs of each. Else: all GPUs of this machine. TensorFlow must not have computed
    anything yet.

    Raises:
        ConfigError: ``TF_CONFIG`` is not what TensorFlow documents, or the secret is too short.
        DistributionError: Not all workers have come, or they do not fit together.
    """
    if not os.environ.get("TF_CONFIG", "").strip() and in_step_of_slurm():
        addresses, place = _read_slurm()
        # TensorFlow reads it too.
        task = {"type": "worker", "index": place}
        os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": addresses}, "task": task})
    addresses, place = _read_tf_config()
    if len(addresses) > 1:
        return _join(addresses, place)
    if len(tf.config.list_physical_devices("GPU")) > 1:
        return Distribution(tf.distribute.MirroredStrategy())
    return Distribution()


def in_step_of_slurm() -> bool:
    """Whether ``srun`` started this process as one of several that are to train together."""
    tasks = os.environ.get("SLURM_STEP_NUM_TASKS", "1")
    return tasks.isdecimal() and int(tasks) > 1 and os.environ.get(CLUSTER) != _NONE


def _read_slurm() -> tuple[list[str], int]:
    """Addresses of all tasks of a step, and which of them is this one's.

    TensorFlow's resolver lists them by the names of nodes, in the order of the alphabet. It takes a
    task's rank for its place there, which is wrong where node n10 comes before n9, or where ranks
    alternate between nodes; so the place is that of this node and of the task on it.
    """
    environment = os.environ
    try:
        tasks = int(environment["SLURM_STEP_NUM_TASKS"])
        step = int(environment["SLURM_JOB_ID"]) + int(environment.get("SLURM_STEP_ID", 0))
        port = _FIRST_PORT + step % _STEPS * _PORTS_OF_STEP
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
            # Slurm alone divides GPUs; without any of them it would divide by zero.
            **{"port_base": port, "gpus_per_node": tasks, "gpus_per_task": 1},
            auto_set_gpu=False,
        )
        addresses = resolver.cluster_spec().as_dict()["worker"]
        own = f"{environment['SLURMD_NODENAME']}:{port + int(environment['SLURM_LOCALID'])}"
        return list(addresses), addresses.index(own)
    except (LookupError, ValueError, RuntimeError) as error:
        raise ConfigError(
            f"the variables of Slurm describe no step of several tasks ({type(error).__name__}: "
            f"{error}); set {CLUSTER}={_NONE} to train in this process alone, or TF_CONFIG."
        ) from None


def _join(addresses: list[str], place: int) -> Distribution:
    log.info("waiting for %d workers", len(addresses))
    chief = place == 0
    with (
        cluster_secret(addresses[0], chief=chief) as secret,
        rendezvous(addresses, place, secret=secret, timeout=START_TIMEOUT) as barrier,
    ):
        with barrier.watched():
            strategy = _connect()
        barrier.wait_for_all()
    distribution = Distribution(strategy)
    log.info("%d workers, devices of each: %d", distribution.workers, distribution.local)
    if not distribution.chief:
        logging.getLogger("deepattn").setLevel(logging.ERROR)
    return distribution


def _connect() -> tf.distribute.Strategy:
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.OpError as error:
        raise DistributionError(f"TensorFlow cannot connect the workers: {error.message}") from None


def _read_tf_config() -> tuple[list[str], int]:
    """Addresses of all workers, and which of them is this one's."""
    text = os.environ.get("TF_CONFIG", "")
    if not text.strip():
        return [], 0
    try:
        content = json.loads(text)
        cluster = {job: list(addresses) for job, addresses in content["cluster"].items()}
        job, index = content["task"]["type"], int(content["task"]["index"])
        own = cluster[job][index]
        ports = [int(address.rpartition(":")[2]) for part in cluster.values() for address in part]
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise ConfigError(
            f"TF_CONFIG is not a valid cluster and task ({type(error).__name__}: {error}): "
            'write {"cluster": {"worker": ["host:port", …]}, "task": {"type": '
            '"worker", "index": 0}}.'
        ) from None
    addresses = [address for job in _JOBS for address in cluster.get(job, ())]
    if len(addresses) < len(ports) or index < 0:
        raise ConfigError(
            f"TF_CONFIG has the jobs {sorted(cluster)} and the task {job} {index}; a "
            "training has only workers, at most one of which is called chief."
        )
    return addresses, addresses.index(own)
