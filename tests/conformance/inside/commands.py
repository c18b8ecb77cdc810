"""Runs inside DeePMD-kit's Python: command lines of ``dp``, one after the other in one process.

``python commands.py JOBS.json``: a list of ``{"arguments": [...], "output": file}``. The file gets
what the command logged.
"""

import contextlib
import json
import sys

from deepmd.main import main as dp


def main(jobs: str) -> None:
    with open(jobs) as file:
        for job in json.load(file):
            # Every command makes a new handler of its log for what is the standard error then.
            with open(job["output"], "w") as output, contextlib.redirect_stderr(output):
                dp(job["arguments"])


if __name__ == "__main__":
    main(sys.argv[1])
