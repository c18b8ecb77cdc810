"""Time and memory of a training, ours and DeePMD-kit's, on the same input in one run.

    python benchmarks/training_step.py --deepmd /path/to/dp [--input input.json] [--steps 300]
        [--precision float64 float32] [--attn-layer 0 1 2] [--sel 60 120 200]
    python benchmarks/training_step.py --deepmd /path/to/dp --backend pt \\
        --input benchmarks/water_dpa2_small.json --steps 20

Both programs train in processes of their own, in turn (A B A B …), with the same threads, from
the same input and the same data; nothing is downloaded. With the options of the second line the
input is varied: one row of the table for every combination. The time of a step comes from the line
``average training time`` that both log, which leaves out the first display interval; the memory is
the peak resident size of the process; ``start`` is the wall time of the process without its steps:
imports, statistics, tracing, the checkpoint. Prints a Markdown table and writes the results as
JSON.
"""

import copy
import itertools
import json
import re
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from processes import machine
from trainings import absolute_systems, make_parser, parse, programs, train

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_INPUT = ROOT / "examples" / "alloy" / "input.json"
_STEP_TIME = re.compile(r"average training time: ([\d.eE+-]+) s/batch")


@dataclass(frozen=True)
class Run:
    """One training run: seconds a step, peak memory in MiB, seconds of everything else."""

    variant: str
    program: str
    seconds_per_step: float
    peak_mib: float
    start_seconds: float


def prepare_input(path: Path, steps: int, backend: str) -> dict:
    """The input with absolute data paths, ``steps`` steps, no validation, one checkpoint."""
    config = json.loads(path.read_text())
    if backend != "tf" and (embedding := config["model"].pop("type_embedding", None)):
        # Other backends have it in the descriptor.
        config["model"]["descriptor"]["tebd_dim"] = embedding["neuron"][-1]
    training = config["training"]
    training.pop("validation_data", None)
    absolute_systems(training["training_data"], path.parent)
    training.update(numb_steps=steps, disp_freq=max(steps // 5, 1), save_freq=steps)
    return config


def variants(config: dict, options: dict[str, list | None]) -> dict[str, dict]:
    """Inputs by name, one for every combination of the options' values.

    Args:
        config: The input to vary.
        options: Values of ``precision``, ``attn_layer`` and ``sel``; ``None`` keeps the input's.
    """
    varied = {key: values for key, values in options.items() if values}
    inputs = {}
    for values in itertools.product(*varied.values()):
        changed = copy.deepcopy(config)
        model = changed["model"]
        for key, value in zip(varied, values, strict=True):
            nets = ("type_embedding", "descriptor", "fitting_net")
            for part in nets if key == "precision" else ("descriptor",):
                if part in model:
                    model[part][key] = value
        name = ", ".join(f"{key} {value}" for key, value in zip(varied, values, strict=True))
        inputs[name or "as given"] = changed
    return inputs


def with_convention(config: dict, backend: str) -> dict:
    """The input for deepattn, which is told whose conventions the model follows."""
    convention = "tensorflow" if backend == "tf" else "common"
    return {**config, "model": {"convention": convention, **config["model"]}}


def train_once(variant: str, program: str, command: list[str], config: dict, threads: int) -> Run:
    """Run one training in an empty folder and read its step time and memory.

    Raises:
        SystemExit: The program failed or did not log its step time.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        text, peak_mib = train(program, command, config, threads, Path(folder))
        wall = time.monotonic() - began
    found = _STEP_TIME.search(text)
    if not found:
        sys.exit(f"{program} did not log its step time; give it more --steps")
    seconds = float(found[1])
    rest = wall - seconds * config["training"]["numb_steps"]
    return Run(variant, program, seconds, peak_mib, rest)


def summarize(runs: list[Run]) -> dict[str, dict[str, float]]:
    """Median step time, its spread, the largest peak and the median start of each program."""
    summary = {}
    for program in dict.fromkeys(run.program for run in runs):
        seconds = [run.seconds_per_step for run in runs if run.program == program]
        summary[program] = {
            "ms_per_step": 1000 * statistics.median(seconds),
            "ms_min": 1000 * min(seconds),
            "ms_max": 1000 * max(seconds),
            "peak_mib": max(run.peak_mib for run in runs if run.program == program),
            "start_s": statistics.median(r.start_seconds for r in runs if r.program == program),
        }
    return summary


def as_markdown(summaries: dict[str, dict[str, dict[str, float]]]) -> str:
    """The table; ratios are of DeePMD-kit to us, so above 1 means that we are better."""
    programs = list(next(iter(summaries.values())))
    times = [f"{program}, ms a step" for program in programs]
    memory = [f"{program}, MiB" for program in programs]
    start = [f"{program}, start, s" for program in programs]
    header = ["input", *times, "ratio", *memory, "ratio", *start]
    lines = [f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
    for variant, summary in summaries.items():
        ours, deepmd = summary.values()
        times = [
            f"{row['ms_per_step']:.1f} ({row['ms_min']:.1f} – {row['ms_max']:.1f})"
            for row in (ours, deepmd)
        ]
        cells = [
            variant,
            *times,
            f"{deepmd['ms_per_step'] / ours['ms_per_step']:.2f}",
            *(f"{row['peak_mib']:.0f}" for row in (ours, deepmd)),
            f"{deepmd['peak_mib'] / ours['peak_mib']:.2f}",
            *(f"{row['start_s']:.1f}" for row in (ours, deepmd)),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = make_parser(__doc__, DEFAULT_INPUT, "the alloys")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument(
        "--backend",
        choices=["tf", "tf2", "pt"],
        default="tf",
        help="DeePMD-kit's; DPA-2 needs pt or tf2",
    )
    parser.add_argument("--precision", nargs="+", choices=["float64", "float32"])
    parser.add_argument("--attn-layer", nargs="+", type=int)
    parser.add_argument("--sel", nargs="+", type=int)
    parser.add_argument("--repeats", type=int, default=3, help="how often the two take turns")
    args = parse(parser, "training_step.json")
    config = prepare_input(args.input.resolve(), args.steps, args.backend)
    options = {"precision": args.precision, "attn_layer": args.attn_layer, "sel": args.sel}
    runs: list[Run] = []
    for variant, varied in variants(config, options).items():
        for _ in range(args.repeats):
            for program, command in programs(args.deepmd, args.backend).items():
                ours = program == "deepattn"
                given = with_convention(varied, args.backend) if ours else varied
                runs.append(train_once(variant, program, command, given, args.threads))
                result = f"{1000 * runs[-1].seconds_per_step:.1f} ms"
                print(f"{variant}: {program}: {result}", file=sys.stderr)
    summaries = {
        variant: summarize([run for run in runs if run.variant == variant])
        for variant in dict.fromkeys(run.variant for run in runs)
    }
    print(as_markdown(summaries))
    args.output.write_text(
        json.dumps(
            {
                "input": str(args.input),
                "steps": args.steps,
                "machine": machine(args.threads),
                "summary": summaries,
                "runs": [asdict(run) for run in runs],
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
