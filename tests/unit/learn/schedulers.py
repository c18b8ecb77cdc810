"""Stand-ins of the commands of PBS and LSF, which run jobs at once and lose the first one."""

from pathlib import Path

# A job is its number; its script is kept, and a file says that it has ended.
_START = """#!/bin/sh
cd "$(dirname "$0")" && here=$PWD && cd "$OLDPWD"
number=$(($(ls "$here" | grep -c script) + 1))
cat {script} > "$here/$number.script"
if test $number -eq 1; then
  touch "$here/1.ended"
else
  (bash "$here/$number.script"; touch "$here/$number.ended") > /dev/null 2>&1 < /dev/null &
fi
echo "{said}"
"""
_STATE = """#!/bin/sh
cd "$(dirname "$0")"
for number; do :; done
state={running}
test -e "$number.ended" && state={ended}
echo "{title}"
echo "{row}"
"""


def write_scheduler(folder: Path) -> Path:
    """A folder with ``qsub``, ``qstat``, ``bsub`` and ``bjobs``."""
    folder.mkdir()
    contents = {
        "qsub": _START.format(script='"$1"', said="$number"),
        "bsub": _START.format(script="", said="Job <$number> is submitted to queue <normal>."),
        "qstat": _STATE.format(
            running="R",
            ended="F",
            title="Job id  Name  User  Time Use S Queue",
            row="$number  job  user  00:00:01 $state normal",
        ),
        "bjobs": _STATE.format(
            running="RUN",
            ended="DONE",
            title="JOBID  USER  STAT  QUEUE",
            row="$number  user  $state  normal",
        ),
    }
    for name, text in contents.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder
