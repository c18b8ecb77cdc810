"""Runs inside DeePMD-kit's Python: ``dp convert-from``, once for each job in one process.

``python convert_from.py JOBS.json``: a list of the function's arguments.
"""

import json
import sys

from deepmd.tf.entrypoints.convert import convert
from deepmd.tf.env import tf


def main(jobs: str) -> None:
    with open(jobs) as file:
        for job in json.load(file):
            with tf.Graph().as_default():  # it imports what it converts
                convert(**job)


if __name__ == "__main__":
    main(sys.argv[1])
