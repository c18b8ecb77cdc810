"""Run a program and write its peak memory in MiB to a file.

    python -S peak_memory.py FILE PROGRAM [ARGUMENT ...]

A new process has the memory of the one that starts it until it becomes another program, and its
peak counts that. This program is so small that it does not matter; a benchmark that has TensorFlow
loaded is not.
"""

import os
import sys

_, output, *command = sys.argv
process = os.spawnvp(os.P_NOWAIT, command[0], command)
_, status, usage = os.wait4(process, 0)
with open(output, "w") as stream:
    stream.write(str(usage.ru_maxrss / 1024))
sys.exit(os.waitstatus_to_exitcode(status) & 0xFF)
