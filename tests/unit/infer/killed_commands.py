"""Commands that are killed at random moments; a program that forks, with TensorFlow loaded once.

Argument: JSON with the commands by name (``argv`` and the files or folders it writes, ``targets``;
``fresh`` where it takes no target that is there), the number of kills for each, and a seed. Every
other kill waits until something is being written. After each the targets must be absent, or whole.
At the end the command must succeed, and leave nothing beside its targets.
"""

import contextlib
import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import numpy as np
import PIL.Image
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

import deepattn.cli.test
import deepattn.convert
import deepattn.data
import deepattn.export
import deepattn.infer
import deepattn.plots.learning_curve
import deepattn.plots.parity
import deepattn.train
from deepattn.cli.main import main
from deepattn.formats.checkpoint import read_checkpoint
from deepattn.formats.dp_file import read_tree
from deepattn.formats.frozen import read_frozen

# s. No command takes so long.
_TIMEOUT = 300


def is_whole(path):
    """Whether a file or folder can be read to its end, by what its name says it is."""
    if path.suffix == ".pb":
        read_frozen(path)
    elif path.suffix == ".h5":
        read_checkpoint(path)
    elif path.suffix == ".dp":
        read_tree(path)
    elif path.suffix == ".savedmodeltf":
        SavedModel().ParseFromString((path / "saved_model.pb").read_bytes())
        assert (path / "fingerprint.pb").is_file() and (path / "variables").is_dir()
    elif path.suffix == ".npy":
        np.load(path)
    elif path.suffix == ".png":
        PIL.Image.open(path).load()
    elif path.suffix == ".json":
        json.loads(path.read_text())
    elif path.suffix == ".html":
        assert path.read_text().endswith("</html>\n")
    elif path.suffix == ".out":
        np.loadtxt(path)
    else:
        systems = deepattn.data.find_systems(str(path))
        assert sum(deepattn.data.System(system).nframes for system in systems) == 3


def start(argv):
    """A child that runs a command."""
    child = os.fork()
    if child:
        return child
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    if "DEEPATTN_KILLS_SHOWN" not in os.environ:
        os.dup2(nowhere, 2)
    status = 99
    try:
        status = main(argv)
    finally:
        os._exit(status)


def hidden(folders):
    """The file being written."""
    return [
        name
        for folder in folders
        if folder.is_dir()
        for name in os.listdir(folder)
        if name.startswith(".")
    ]


def wait(child, seconds=_TIMEOUT, until=lambda: False):
    """Wait for a child, or some time, or something; whether the child has ended, and its status."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not until():
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return True, os.waitstatus_to_exitcode(status)
        time.sleep(0.001)
    return False, None


def run_whole(argv):
    """Seconds that a command takes without interruption."""
    began = time.monotonic()
    ended, status = wait(start(argv))
    assert ended and status == 0, (argv, ended, status)
    return time.monotonic() - began


def remove(targets):
    for target in targets:
        if target.is_dir():
            shutil.rmtree(target)
        with contextlib.suppress(FileNotFoundError):
            target.unlink()


def kill(command, seconds, chance, while_writing):
    """Run a command and kill it; whether it was in time."""
    targets = [Path(target) for target in command["targets"]]
    folders = {target.parent for target in targets}
    before = set(hidden(folders))
    child = start(command["argv"])
    if while_writing:
        ended, _ = wait(child, until=lambda: not before.issuperset(hidden(folders)))
        pause = chance.uniform(0, 0.03)
    else:
        ended, pause = False, chance.uniform(0, 1.1 * seconds)
    if not ended:
        ended, _ = wait(child, pause)
    if not ended:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return not ended


def try_command(command, kills, chance):
    """Kill a command so many times before it ends; what was wrong."""
    targets = [Path(target) for target in command["targets"]]
    seconds = run_whole(command["argv"])
    faults, killed, number = [], 0, 0
    while killed < kills:
        number += 1
        if number > 10 * kills:
            faults.append(f"of {number} kills {killed} came in time")
            break
        if command.get("fresh"):
            remove(targets)
        killed += kill(command, seconds, chance, number % 2 == 0)
        for target in targets:
            if command.get("fresh") and not target.exists():
                continue
            try:
                is_whole(target)
            except Exception as error:
                faults.append(f"{target.name} after kill {number}: {type(error).__name__} {error}")
    if command.get("fresh"):
        remove(targets)
    run_whole(command["argv"])
    for target in targets:
        is_whole(target)
    left = hidden({target.parent for target in targets})
    if left:
        faults.append(f"left: {left}")
    return {"killed": killed, "faults": faults}


if __name__ == "__main__":
    task = json.loads(sys.argv[1])
    for name, command in task["commands"].items():
        chance = random.Random(f"{name} {task['seed']}")
        print(json.dumps({name: try_command(command, task["kills"], chance)}), flush=True)
