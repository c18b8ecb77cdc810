"""Runs inside DeePMD-kit's Python: train a few steps and freeze, for many inputs in one process.

``python make_graphs.py JOBS.json``: a list of working folders, each with an ``input.json``; every
folder gets a ``frozen.pb``. One process, as importing TensorFlow takes longer than one training.
"""

import json
import os
import sys

try:
    from deepmd.tf.entrypoints.main import main as dp
except ImportError:  # before 3.0
    from deepmd.entrypoints.main import main as dp
import tensorflow as tf


def make(folder: str) -> None:
    """Train and freeze in ``folder``."""
    home = os.getcwd()
    os.chdir(folder)
    try:
        for args in (
            ["train", "input.json", "--skip-neighbor-stat"],
            ["freeze", "-c", ".", "-o", "frozen.pb"],
        ):
            tf.compat.v1.reset_default_graph()
            dp([*args, "--log-level", "2"])
    finally:
        os.chdir(home)


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        folders = json.load(file)
    for folder in folders:
        print("making", folder, flush=True)
        make(folder)
