"""Runs inside a peer's Python: several ``dp`` commands in one process.

``python commands.py JOBS.json``: a list of lists of arguments.
"""

import json
import sys

from deepmd.main import main

if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        for job in json.load(file):
            main(job)
