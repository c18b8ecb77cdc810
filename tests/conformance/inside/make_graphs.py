"""Runs inside DeePMD-kit's Python: train a few steps and freeze, for many inputs in one process.

``python make_graphs.py JOBS.json``: a list of working folders, each with an ``input.json``; every
folder gets a ``frozen.pb``. One process, as importing TensorFlow takes longer than one training.
"""

import json
import os
import sys

try:
    from deepmd.tf.entrypoints.main import main as dp
    from deepmd.tf.utils import network
except ImportError:  # before 3.0
    from deepmd.entrypoints.main import main as dp
    from deepmd.utils import network
import tensorflow as tf


class Session(tf.compat.v1.Session):
    """One that runs graphs as they are: to optimize them takes longer than two steps."""

    def __init__(self, target="", graph=None, config=None):
        own = tf.compat.v1.ConfigProto()
        if config is not None:
            own.CopyFrom(config)
        own.graph_options.rewrite_options.disable_meta_optimizer = True
        super().__init__(target, graph, own)


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
    tf.compat.v1.Session = Session
    network.variable_summaries = lambda *_: None  # for TensorBoard: a fifth of the operations
    for folder in folders:
        print("making", folder, flush=True)
        make(folder)
