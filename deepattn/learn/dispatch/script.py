"""The script of a job in its folder."""

from __future__ import annotations

from collections.abc import Sequence

# In the folder of each job: what it runs, and the exit status of the command, whose existence says
# that it has ended.
SCRIPT, STATUS = "run.sh", "status"
OUTPUT, ERRORS = "stdout", "stderr"
# Beside these folders: files that all of them need.
COMMON = "common"
# Folder for what a command writes and nobody reads, which is removed when it has ended.
SCRATCH = "scratch"
# A line for each run of the command that ended by one of the signals of those who end jobs: HUP,
# INT, KILL, TERM. Such a run says nothing about its frame, unless it always ends so.
_ENDED = "ended"
_SIGNALS = (1, 2, 9, 15)
_MOST_ENDED = 3


def script(command: str, outputs: Sequence[str]) -> str:
    """What a job does in a folder.

    It succeeds where the command fails, whose status is kept: one command is not a reason to stop
    the others of a job. A command that was ended from outside is run again, by the next job.

    Args:
        command: The command.
        outputs: Files that are brought back; the script makes those that the command does not.
    """
    signals = "|".join(str(128 + number) for number in _SIGNALS)
    return (
        "#!/bin/sh\n"
        "# Two jobs may have this folder if the first was taken for lost.\n"
        "exec 9> .lock && flock 9\n"
        f"test -f {STATUS} && exit 0\n"
        f'for file in ../{COMMON}/*; do test -e "$file" && ln -sf "$file" .; done\n'
        f"( {command} ) > {OUTPUT} 2> {ERRORS} 9>&-\n"
        "ended=$?\n"
        f"case $ended in {signals})\n"
        f"  echo $ended >> {_ENDED}\n"
        f"  test $(wc -l < {_ENDED}) -lt {_MOST_ENDED} && exit 1;;\n"
        "esac\n"
        f"for file in {' '.join(outputs)}; do\n"
        '  test -e "$file" || { mkdir -p "$(dirname "$file")" && : > "$file"; }\n'
        "done\n"
        f"rm -rf {SCRATCH}\n"
        f"echo $ended > {STATUS}.part && mv {STATUS}.part {STATUS}\n"
    )
