"""Writers that are killed at every line of Python they run; a program, since it forks.

Arguments: which writer, and every how many lines. For each a child starts to write and is killed
there. Afterwards the target must be the old or the new one, whole, and after one more write nothing
else may lie beside it.
"""

import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from deepattn.formats import files

MARK = "mark"
# In memory where that can be, since every writer syncs its files to the disk.
PLACE = "/dev/shm" if Path("/dev/shm").is_dir() else None


def write_file(target, text):
    with files.write_whole(target, "w") as file:
        file.write(text)


def write_folder(target, text):
    with files.write_folder_whole(target, mark=MARK) as folder:
        for name in (MARK, "a", "b"):
            (folder / name).write_text(text)


def write_folder_in_two_steps(target, text):
    files._exchange = lambda first, second: False
    write_folder(target, text)


def write_link(target, text):
    files.replace_link(text, target)


def content(target):
    """The common text of all files, or None if they differ or are missing."""
    if target.is_symlink():
        return os.readlink(target)
    names = [target / name for name in (MARK, "a", "b")] if target.is_dir() else [target]
    try:
        texts = {name.read_text() for name in names}
    except FileNotFoundError:
        return None
    return texts.pop() if len(texts) == 1 else None


def run_child(write, target, kill_at):
    """Write, counting lines, and be killed at one of them; the number of lines run."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        lines = 0

        def trace(frame, event, argument):
            nonlocal lines
            if event == "line":
                lines += 1
                if lines == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)
            return trace

        sys.settrace(trace)
        write(target, "new")
        sys.settrace(None)
        os.write(writing, str(lines).encode())
        os._exit(0)
    os.close(writing)
    with open(reading) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return int(text or 0)


def kill_everywhere(write, every):
    """Kill points tried, and those with a fault."""
    faults, points = {}, 0
    while True:
        point = 1 + points * every
        with tempfile.TemporaryDirectory(dir=PLACE) as name:
            target = Path(name, "target")
            write(target, "old")
            through = run_child(write, target, point)
            found = content(target)
            if found is None and write is write_folder_in_two_steps:
                # Only there, and only until the next writer comes.
                shutil.copytree(name, name + ".copy", symlinks=True)
                copied = Path(name + ".copy", "target")
                files.remove_leftovers(copied.parent, "target")
                found = content(copied)
                shutil.rmtree(copied.parent)
            write(target, "newer")
            beside = sorted(set(os.listdir(name)) - {"target"})
            if found not in ("old", "new") or content(target) != "newer" or beside:
                faults[point] = [found, content(target), beside]
        if through:
            return {"points": points, "faults": faults}
        points += 1


if __name__ == "__main__":
    print(json.dumps(kill_everywhere(globals()[sys.argv[1]], int(sys.argv[2]))))
