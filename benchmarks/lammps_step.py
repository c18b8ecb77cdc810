"""Time and memory of a LAMMPS step, with our frozen graphs and DeePMD-kit's, in one run.

    python benchmarks/lammps_step.py --deepmd /path/to/venv/bin [--atoms 192 1536] [--ranks 1]

DeePMD-kit's unmodified LAMMPS runs three graphs of the same weights in turn (A B C A B C …): the
one that ``dp freeze`` writes, and the two that deepattn writes after reading it, portable and fast,
the latter with our library in ``DP_PLUGIN_PATH``. Needed are ``dp`` (3.x with
TensorFlow) and ``lmp`` in one folder, for more than one rank also ``mpiexec.hydra`` or
``mpirun`` there or on the path, and deepattn with its compiled ops; nothing is downloaded. The
model is DPA-1 on water (`water.json`) with random weights, which cost as much time as others. With
``--compress`` it has no attention, and the graphs are those of ``dp compress`` and of
``deepattn compress``; with ``--descriptor se_e2_a`` it is DeepPot-SE with the same nets.

The time is LAMMPS' own loop time, which leaves out the first evaluation; the memory is the peak
resident size of the largest process. A graph that LAMMPS does not get through, as for want of
memory, has a row that says so. Prints a Markdown table and writes the results as JSON.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import numpy as np
from processes import ProgramFailed, execute, machine, with_threads

INPUT = Path(__file__).with_name("water.json")
TYPE_MAP = ["O", "H"]
SE_E2_A = {"type": "se_e2_a", "type_one_side": False, "sel": [46, 92]}
# What it has in common with the descriptor of the input.
_NETS = ("rcut", "rcut_smth", "neuron", "axis_neuron", "seed")
_LOOP_TIME = re.compile(r"Loop time of ([\d.eE+-]+) on")
_SCRIPT = """
units metal
atom_style atomic
atom_modify map yes
boundary p p p
read_data data.lmp
replicate {replicas}
pair_style deepmd {graph}
pair_coeff * * O H
neighbor 1.0 bin
timestep 0.0001
thermo {steps}
fix run all nve
run {steps}
"""


@dataclass(frozen=True)
class Graph:
    """A frozen graph and the libraries of ops that it needs."""

    path: Path
    plugins: str = ""


@dataclass(frozen=True)
class Run:
    """One run of LAMMPS: what ran, seconds a step (None: it failed), peak memory in MiB."""

    graph: str
    precision: str
    atoms: int
    ranks: int
    seconds_per_step: float | None
    peak_mib: float


def water_box(cells: int = 4, spacing: float = 3.1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Molecules at random angles on a cubic lattice, about 1 g/cm³: coordinates, types, cell."""
    rng = np.random.default_rng(1)
    oxygen = spacing * np.indices((cells,) * 3).reshape(3, -1).T
    oxygen = oxygen + rng.normal(scale=0.1, size=oxygen.shape)
    molecule = 0.9572 * np.array([[0, 0, 0], [1, 0, 0], [-0.25, 0.968, 0]])
    turns = np.linalg.qr(rng.normal(size=(len(oxygen), 3, 3)))[0]
    coord = oxygen[:, None] + np.einsum("ak,nkl->nal", molecule, turns)
    order = np.argsort(np.tile([0, 1, 1], len(oxygen)), kind="stable")
    atype = np.tile([0, 1, 1], len(oxygen))[order]
    return coord.reshape(-1, 3)[order], atype, spacing * cells * np.eye(3)


def read_system(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First frame of a DeePMD system of O and H in an orthogonal cell.

    Raises:
        SystemExit: The system has other types or another cell.
    """
    sets = sorted(path.glob("set.*"))
    if not sets:
        sys.exit(f"{path} is no DeePMD system: it has no folder set.*")
    names = (path / "type_map.raw").read_text().split()
    kinds = np.loadtxt(path / "type.raw", dtype=int).ravel()
    cell = np.load(sets[0] / "box.npy")[0].reshape(3, 3)
    if not set(names) <= set(TYPE_MAP) or np.any(cell != np.diag(np.diag(cell))):
        sys.exit(f"{path}: the benchmark needs O and H in an orthogonal cell")
    atype = np.array([TYPE_MAP.index(names[kind]) for kind in kinds])
    return np.load(sets[0] / "coord.npy")[0].reshape(-1, 3), atype, cell


def write_system(folder: Path, coord: np.ndarray, atype: np.ndarray, cell: np.ndarray) -> None:
    """A DeePMD system of one frame whose labels are zeros."""
    (folder / "set.000").mkdir(parents=True)
    (folder / "type_map.raw").write_text("\n".join(TYPE_MAP))
    np.savetxt(folder / "type.raw", atype, fmt="%d")
    arrays = {"coord": coord, "box": cell, "energy": np.zeros(1), "force": np.zeros(coord.shape)}
    for name, array in arrays.items():
        np.save(folder / "set.000" / f"{name}.npy", array.reshape(1, -1))


def write_data(path: Path, coord: np.ndarray, atype: np.ndarray, cell: np.ndarray) -> None:
    """A LAMMPS data file."""
    lines = ["water", "", f"{len(coord)} atoms", f"{len(TYPE_MAP)} atom types", ""]
    lines += [f"0.0 {cell[k, k]:.10f} {axis}lo {axis}hi" for k, axis in enumerate("xyz")]
    lines += ["", "Masses", "", "1 15.999", "2 1.008", "", "Atoms # atomic", ""]
    for index, (kind, place) in enumerate(zip(atype, coord % np.diag(cell), strict=True), 1):
        lines.append(f"{index} {kind + 1} " + " ".join(f"{x:.10f}" for x in place))
    path.write_text("\n".join(lines) + "\n")


def replicas(atoms: int, unit: int) -> tuple[int, int, int]:
    """How often to repeat a cell of ``unit`` atoms along each axis, as evenly as possible.

    Raises:
        SystemExit: ``atoms`` is no multiple of ``unit``.
    """
    if atoms % unit:
        sys.exit(f"--atoms {atoms} is no multiple of the {unit} atoms of the configuration")
    factor = atoms // unit
    divisors = [n for n in range(1, factor + 1) if factor % n == 0]
    shapes = (
        (a, b, factor // a // b) for a, b in product(divisors, repeat=2) if factor % (a * b) == 0
    )
    return min(shapes, key=lambda shape: (max(shape) - min(shape), shape))


def make_graphs(
    deepmd: Path,
    system: Path,
    precision: str,
    folder: Path,
    *,
    descriptor: str,
    compressed: bool,
) -> dict[str, Graph]:
    """By name DeePMD-kit's graph of random weights, and ours of the same.

    Raises:
        SystemExit: deepattn's ops are not built.
    """
    from deepattn import ops
    from deepattn.export import compress, freeze
    from deepattn.models import load_model

    folder.mkdir()
    config = json.loads(INPUT.read_text())
    sections = config["model"]
    if descriptor == "se_e2_a":
        del sections["type_embedding"]
        sections["descriptor"] = {key: sections["descriptor"][key] for key in _NETS} | SE_E2_A
    elif compressed:
        sections["descriptor"]["attn_layer"] = 0
    for name in {"type_embedding", "descriptor", "fitting_net"} & sections.keys():
        sections[name]["precision"] = precision
    training = config["training"]
    training.pop("validation_data")
    training["training_data"]["systems"] = [str(system)]
    training.update(numb_steps=1, disp_freq=1, save_freq=1)
    (folder / "input.json").write_text(json.dumps(config))
    dp = [str(deepmd / "dp"), "--tf"]
    # Compression asks for the shortest distance, which the statistics of neighbors find.
    options = [] if compressed else ["--skip-neighbor-stat"]
    execute_deepmd([*dp, "train", "input.json", *options], folder)
    execute_deepmd([*dp, "freeze", "-o", "deepmd.pb"], folder)
    model, header = load_model(folder / "deepmd.pb")
    library = ops.fast_library()
    if library is None:
        sys.exit("the op libraries are not built: python -m deepattn.ops.build")
    theirs = "compressed.pb" if compressed else "deepmd.pb"
    if compressed:
        execute_deepmd([*dp, "compress", "-i", "deepmd.pb", "-o", theirs], folder)
    graphs = {"DeePMD-kit": Graph(folder / theirs)}
    for name, plugins in (("portable", ""), ("fast", library)):
        path, fast = folder / f"{name}.pb", name == "fast"
        ours = model
        if compressed:
            ours = compress(model, min_nbor_dist=header["min_nbor_dist"], fast=fast)
        freeze(ours, path, training_script=header["config"], fast=fast)
        graphs[name] = Graph(path, plugins)
    return graphs


def execute_deepmd(
    command: list[str], folder: Path, threads: int = 1, plugins: str = ""
) -> tuple[str, float]:
    """Run one of DeePMD-kit's programs as `execute` does, without our Python path.

    Raises:
        ProgramFailed: Its last lines are in the message.
    """
    environment = with_threads(threads)
    environment.pop("PYTHONPATH", None)
    if plugins:
        environment["DP_PLUGIN_PATH"] = plugins
    return execute(" ".join(command), command, folder, environment)


def lammps(args: argparse.Namespace, graph: Graph, atoms: int, ranks: int, folder: Path):
    """Seconds a step, or None if LAMMPS failed, and peak memory in MiB of one run."""
    shape = " ".join(map(str, replicas(atoms, args.unit)))
    script = _SCRIPT.format(replicas=shape, graph=graph.path, steps=args.steps)
    (folder / "in.lammps").write_text(script)
    command = [str(args.deepmd / "lmp"), "-in", "in.lammps"]
    if ranks > 1:
        command = [str(mpi_starter(args.deepmd)), "-np", str(ranks), *command]
    try:
        text, peak_mib = execute_deepmd(command, folder, args.threads, graph.plugins)
    except ProgramFailed as failure:
        print(failure, file=sys.stderr)
        return None, failure.peak_mib
    found = _LOOP_TIME.search(text)
    if not found:
        sys.exit(f"LAMMPS did not print its loop time:\n{text[-2000:]}")
    return float(found[1]) / args.steps, peak_mib


def mpi_starter(deepmd: Path) -> Path:
    """The program that starts several ranks.

    Raises:
        SystemExit: There is none.
    """
    for name in ("mpiexec.hydra", "mpirun"):
        found = shutil.which(name, path=f"{deepmd}{os.pathsep}{os.environ['PATH']}")
        if found:
            return Path(found)
    sys.exit("more than one rank needs mpiexec.hydra or mpirun beside lmp or on the path")


def measure(args: argparse.Namespace, folder: Path) -> Iterator[Run]:
    """All runs, the graphs in turn; one that has failed is not tried again."""
    # Eight molecules where 64 would be too many.
    cells = 4 if all(number % 192 == 0 for number in args.atoms) else 2
    box = read_system(args.system) if args.system else water_box(cells)
    args.unit = len(box[0])
    write_system(folder / "system", *box)
    write_data(folder / "data.lmp", *box)
    for precision in args.precisions:
        given = (graph.partition("=")[::2] for graph in args.graph)
        graphs = {name: Graph(Path(path).resolve()) for name, path in given}
        if not graphs:
            places = (args.deepmd, folder / "system", precision, folder / precision)
            graphs = make_graphs(*places, descriptor=args.descriptor, compressed=args.compress)
        for atoms, ranks in product(args.atoms, args.ranks):
            going = dict(graphs)
            for _ in range(args.repeats):
                for name, graph in list(going.items()):
                    measured = lammps(args, graph, atoms, ranks, folder)
                    run = Run(name, precision, atoms, ranks, *measured)
                    print(run, file=sys.stderr)
                    yield run
                    if run.seconds_per_step is None:
                        del going[name]


def summarize(runs: list[Run]) -> list[dict]:
    """A row for each graph and case: median step time, fastest, largest peak.

    Times are None where the graph failed.
    """
    rows = []
    cases = dict.fromkeys((run.precision, run.atoms, run.ranks) for run in runs)
    for case, name in product(cases, dict.fromkeys(run.graph for run in runs)):
        chosen = [r for r in runs if (r.precision, r.atoms, r.ranks, r.graph) == (*case, name)]
        seconds = [run.seconds_per_step for run in chosen]
        failed = None in seconds
        rows.append(
            {
                **dict(zip(("precision", "atoms", "ranks"), case, strict=True)),
                "graph": name,
                "seconds_per_step": None if failed else statistics.median(seconds),
                "seconds_min": None if failed else min(seconds),
                "peak_mib": max(run.peak_mib for run in chosen),
            }
        )
    return rows


def as_markdown(rows: list[dict]) -> str:
    """The table; its ratio tells how many times faster a graph is than the first one."""
    lines = [
        "| precision | atoms | ranks | graph | s a step (median) | min | ratio | peak, MiB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    first = rows[0]
    for row in rows:
        if row["graph"] == rows[0]["graph"]:
            first = row
        times = ["failed", "", ""]
        if row["seconds_per_step"] is not None:
            times = [f"{row['seconds_per_step']:.4f}", f"{row['seconds_min']:.4f}", ""]
            if first["seconds_per_step"] is not None:
                times[2] = f"{first['seconds_per_step'] / row['seconds_per_step']:.2f}"
        cells = [*(str(row[key]) for key in ("precision", "atoms", "ranks", "graph")), *times]
        lines.append(f"| {' | '.join(cells)} | {row['peak_mib']:.0f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--deepmd", required=True, type=Path, help="folder of DeePMD-kit's programs dp and lmp"
    )
    parser.add_argument("--atoms", nargs="+", type=int, default=[192, 1536])
    parser.add_argument("--ranks", nargs="+", type=int, default=[1])
    parser.add_argument("--precisions", nargs="+", default=["float64", "float32"])
    parser.add_argument(
        "--graph",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="graphs of O and H to compare instead of those made, with what they need in "
        "DP_PLUGIN_PATH; give one --precisions with them",
    )
    parser.add_argument(
        "--system",
        type=Path,
        help="DeePMD system to replicate; default: 192 atoms on a lattice, or 24",
    )
    parser.add_argument(
        "--descriptor",
        choices=["se_atten_v2", "se_e2_a"],
        default="se_atten_v2",
        help="of the model (%(default)s)",
    )
    parser.add_argument(
        "--compress", action="store_true", help="compare compressed graphs without attention"
    )
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=3, help="how often the graphs take turns")
    parser.add_argument("--threads", type=int, default=1, help="of each rank")
    parser.add_argument("-o", "--output", type=Path, default=Path("lammps_step.json"))
    args = parser.parse_args()
    needed = ("lmp",) if args.graph else ("dp", "lmp")
    for name in needed:
        if not (args.deepmd / name).is_file():
            parser.error(
                f"--deepmd {args.deepmd}: there is no {name}; give the folder of its programs"
            )
    args.deepmd = args.deepmd.absolute()
    with tempfile.TemporaryDirectory() as folder:
        try:
            runs = list(measure(args, Path(folder)))
        except ProgramFailed as failure:
            sys.exit(str(failure))
    rows = summarize(runs)
    print(as_markdown(rows))
    results = {"machine": machine(args.threads), "steps": args.steps, "summary": rows}
    results["runs"] = [asdict(run) for run in runs]
    args.output.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
