"""A Slurm of one node on the loopback, without an init system."""

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import contextmanager

from ports import free_ports

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "sinfo")
CONFIGURATION = """ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
MpiDefault=none
ProctrackType=proctrack/pgid
TaskPlugin=task/none
ReturnToService=2
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmdSpoolDir={folder}/spool
StateSaveLocation={folder}/state
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SchedulerType=sched/builtin
SelectType=select/cons_tres
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=normal Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing():
    """What a cluster lacks here; empty if nothing."""
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if absent:
        return f"{absent[0]} of Slurm is not installed"
    return "" if os.geteuid() == 0 else "Slurm is started by root only"


@contextmanager
def cluster(folder):
    """Start the daemons; gives the environment of its commands. They are stopped at the end."""
    (folder / "spool").mkdir(parents=True)
    (folder / "state").mkdir()
    host = socket.gethostname().partition(".")[0]
    text = CONFIGURATION.format(folder=folder, host=host, ports=free_ports(2))
    (folder / "slurm.conf").write_text(text)
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    # What munge demands of the folders of its socket and its files.
    folder.chmod(0o755)
    environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
    names = {name: folder / f"munge.{name}" for name in ("socket", "pid", "log", "seed")}
    commands = [
        ["munged", "--force", f"--key-file={key}", f"--socket={names['socket']}"]
        + [f"--{name}-file={names[name]}" for name in ("pid", "log", "seed")],
        ["slurmctld"],
        ["slurmd", "-N", host],
    ]
    try:
        for command in commands:
            subprocess.run(command, env=environment, check=True, capture_output=True)
        for _ in range(100):
            found = subprocess.run(
                ["sinfo", "-h", "-o", "%t"], env=environment, capture_output=True
            )
            if found.stdout.strip() == b"idle":
                break
            time.sleep(0.2)
        yield environment
    finally:
        for pid in ("slurmd.pid", "slurmctld.pid", "munge.pid"):
            path = folder / pid
            if path.exists():
                os.kill(int(path.read_text()), signal.SIGTERM)
