"""Time and memory of reading a PyTorch file of the size of DPA-2.4-7M, with its 37 branches.

    python benchmarks/torch_files.py --deepmd .peers/dp320pt/bin/python [--file model.pt]

Without ``--file`` DeePMD-kit makes one of random weights (`torch_stand_in.py`). Every row is a
process of its own, start of Python included; the fastest of ``--repeats`` counts, by the clock and
by the time of the processor. Nothing is downloaded. Prints a Markdown table and writes the results
as JSON.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from processes import ProgramFailed, execute, machine, with_threads

HERE = Path(__file__).parent
_READ = """
from deepattn.models import open_model_file
file = open_model_file({path!r})
stored = file.branch(list(file.branches)[-1]).stored()
print(sum(array.size for array in stored.arrays.values()))
"""
_LOAD = """
from deepattn.models import load_model, open_model_file
file = open_model_file({path!r})
model, _ = load_model(file, head=list(file.branches)[-1])
print(model.count_params())
"""
_WRITE = """
from deepattn.export import convert
convert({path!r}, "written.pt")
"""


def commands(path: str) -> dict[str, list[str]]:
    """What is measured, by its name in the table."""
    show = [sys.executable, "-m", "deepattn", "show", path]
    scripts = {
        "weights of a branch": _READ,
        "model of a branch, TensorFlow's start included": _LOAD,
        "all branches written anew": _WRITE,
    }
    return {
        "deepattn show, all branches": show,
        "deepattn show model-branch": [*show, "model-branch"],
        **{
            name: [sys.executable, "-c", script.format(path=path)]
            for name, script in scripts.items()
        },
    }


def measure(name: str, command: list[str], folder: Path, repeats: int, threads: int) -> dict:
    """Seconds of every run, and the largest peak of memory in MiB."""
    seconds, busy, peaks = [], [], []
    for _ in range(repeats):
        start, used = time.perf_counter(), _of_the_processor()
        _, peak = execute(name, command, folder, with_threads(threads))
        seconds.append(time.perf_counter() - start)
        busy.append(_of_the_processor() - used)
        peaks.append(peak)
    row = {"what": name, "runs": seconds, "seconds": min(seconds)}
    return {**row, "processor_seconds": min(busy), "peak_mib": max(peaks)}


def _of_the_processor() -> float:
    """Seconds that the processes so far have kept the processor busy."""
    return sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--deepmd", type=Path, help="Python of DeePMD-kit with PyTorch")
    parser.add_argument("--file", type=Path, help="a multi-task .pt to read instead")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path, default=Path("torch_files.json"))
    args = parser.parse_args()
    if (args.deepmd is None) == (args.file is None):
        parser.error("give one of --deepmd and --file")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "stand_in.pt" if args.file is None else args.file.absolute()
        try:
            if args.file is None:
                script = [str(args.deepmd.absolute()), str(HERE / "torch_stand_in.py"), str(path)]
                text, _ = execute("DeePMD-kit", script, folder, with_threads(args.threads))
                print(text.splitlines()[-1], file=sys.stderr)
            rows = [
                measure(what, command, folder, args.repeats, args.threads)
                for what, command in commands(str(path)).items()
            ]
        except ProgramFailed as failure:
            sys.exit(str(failure))
        size = path.stat().st_size / 1e6
    print(f"file of {size:.0f} MB\n\n| | s | s of the processor | peak, MiB |\n|---|---|---|---|")
    for row in rows:
        times = f"{row['seconds']:.2f} | {row['processor_seconds']:.2f}"
        print(f"| {row['what']} | {times} | {row['peak_mib']:.0f} |")
    results = {"machine": machine(args.threads), "megabytes": size, "rows": rows}
    args.output.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
