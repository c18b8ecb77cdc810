"""Programs in processes of their own, and the machine that they run on."""

import os
import platform
import subprocess
import sys
from pathlib import Path

_PEAK_MEMORY = Path(__file__).with_name("peak_memory.py")


class ProgramFailed(Exception):
    """A program ended with a status other than 0."""

    def __init__(self, name: str, status: int, text: str, peak_mib: float) -> None:
        tail = "\n".join(text.splitlines()[-15:])
        super().__init__(f"{name} failed ({status}):\n{tail}")
        self.peak_mib = peak_mib


def execute(
    name: str, command: list[str], folder: Path, environment: dict[str, str]
) -> tuple[str, float]:
    """Run a program in a folder; returns what it printed and its peak memory in MiB.

    Args:
        name: What the program is called when it fails.
        command: The program and its arguments.
        folder: Where it runs and leaves what it printed, in a file ``output``.
        environment: Its environment variables, such as those of `with_threads`.

    Raises:
        ProgramFailed: Its last lines are in the message.
    """
    peak = folder / "peak"
    launcher = [sys.executable, "-S", str(_PEAK_MEMORY), str(peak)]
    with (folder / "output").open("w+") as output:
        status = subprocess.run(
            [*launcher, *command],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        ).returncode
        output.seek(0)
        text = output.read()
    peak_mib = float(peak.read_text())
    if status:
        raise ProgramFailed(name, status, text, peak_mib)
    return text, peak_mib


def with_threads(threads: int) -> dict[str, str]:
    """Our environment variables, with those that give a program so many threads and no GPU."""
    return os.environ | {
        "OMP_NUM_THREADS": str(threads),
        "DP_INTRA_OP_PARALLELISM_THREADS": str(threads),
        "DP_INTER_OP_PARALLELISM_THREADS": "1",
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "",
    }


def machine(threads: int) -> dict[str, str | int]:
    """Context of the results: the processor and the threads used."""
    return {"processor": platform.processor() or platform.machine(), "threads": threads}
