"""Teachers and students: published models, what is made of them, and their physics in LAMMPS.

    python students.py --lmp /path/to/deepmd-kit/bin/lmp --output runs

The published model of water is distilled. That of Open Catalyst is fine-tuned on water, and on
tungsten, where it is then distilled. All of them run in DeePMD-kit's LAMMPS at constant energy, and
are compared with the labels: `tungsten.py` has what is only asked of the metal. The results go to
``students.json``, from which ``page.py`` and ``pictures.py`` make tables and pictures. Everything
takes about two hours on one core. A second call repeats nothing that is done; with ``--models`` the
results of the others stay as they are.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from command import SHARED, check_folder, make_parser, one_sentence
from configurational import configurational_temperature
from cost import add_budget, read_cost, write_cost
from dynamics import as_lists, labeled_water, summary, whole_molecules
from lammps_run import Dynamics
from record import STUDENTS, read_json, write_json
from sets import HERE, SETS, DataSet
from training_run import COST, TrainingRun, errors_of
from tungsten import at_rest, crystal, energies_of, read_strained

from deepattn import DP, ops
from deepattn.config import load_input
from deepattn.data import find_systems
from deepattn.distill import DistillResult, distill
from deepattn.distill.rdf import radial_distribution
from deepattn.errors import DataError
from deepattn.export import compress_model, convert
from deepattn.formats.files import write_whole
from deepattn.infer import DeepPot, measure_errors
from deepattn.models import open_model_file

INPUTS = HERE / "students"
PUBLISHED = {"water": "water_se_atten_f32.pb", "tungsten": "oc2m_se_atten_f32.pb"}
# What is fine-tuned.
PRETRAINED = PUBLISHED["tungsten"]
MODELS = ("published", "fine-tuned", "student")
VALID = {
    "water": ("water/valid",),
    "tungsten": tuple(f"monbtaw/npy/valid/unary/{name}" for name in ("W2", "W54")),
}
# A run with jumping energies is of use as long as its temperature is about the same, eV/atom.
_SAME_TEMPERATURE = 0.02
# Steps that are timed, after as many that are not.
_TIMED = 40


@dataclass(frozen=True)
class Model:
    """A model of the comparison.

    Attributes:
        path: A file or the folder of a training.
        attention: Whether it has attention; else it is compressed for LAMMPS.
        run: Its dynamics.
        core_minutes: What it cost to make; None for a published one.
        teacher: Error of the forces relative to its teacher in its own dynamics, meV/Å, and number
            of frames trained on.
    """

    path: Path
    attention: bool
    run: Dynamics
    core_minutes: float | None = None
    teacher: tuple[float, int] | None = None


class FineTuning(DataSet):
    """The data of water or of tungsten, with the input of a fine-tuning."""

    def read_input(self, data: Path, seed: int, variant: str = "") -> dict:
        """See `DataSet`."""
        config = load_input(INPUTS / f"{self.name}.json")
        config["training"]["seed"] = seed
        for part in ("training_data", "validation_data"):
            systems = config["training"][part]["systems"]
            config["training"][part]["systems"] = [str(self._folder(data / s)) for s in systems]
        return config


TUNINGS = {
    "water": FineTuning("water-fine-tuned", "water", SETS["water"].origin, "O H"),
    "tungsten": FineTuning("tungsten-fine-tuned", "tungsten", SETS["monbtaw"].origin, "W"),
}


def water(options: argparse.Namespace, known: dict) -> dict:
    """The published model and its student, and that of Open Catalyst fine-tuned."""
    frames = labeled_water(options.data)
    temperature = float(configurational_temperature(frames, ("H", "O")).mean())
    run = Dynamics(frames[-1], ("O", "H"), temperature, timestep=5e-4)
    short = replace(run, equilibration=0.1, parts=4, length=0.2, every=0.01)
    labels = radial_distribution(frames, width=0.05)
    found = {
        "r": labels.r.round(3).tolist(),
        "labels": as_lists(labels.g),
        "models": {},
    }

    def make(name: str) -> Model:
        if name == "fine-tuned":
            tuned, cost = fine_tuned("water", options)
            return Model(tuned, True, replace(short, length=0.5), cost)
        teacher = published(PUBLISHED["water"], options)
        if name == "published":
            return Model(teacher, True, short)
        return distilled("water", teacher, run, options)

    for name in MODELS:
        if name not in options.models:
            if name in known:
                found["models"][name] = known[name]
            continue
        result, own = compared("water", name, make(name), options)
        curves = as_lists(radial_distribution(own, width=0.05).g)
        whole = [whole_molecules(atoms) for atoms in (own[0], own[-1])]
        found["models"][name] = result | {"molecules": whole, "curves": curves}
    return found


def tungsten(options: argparse.Namespace, known: dict) -> dict:
    """The model of Open Catalyst as it is, fine-tuned, and a student of that."""
    frames = read_strained(options.data)
    run = Dynamics(crystal(1.0), ("W",), 1000.0, timestep=2e-3, equilibration=2.0)
    short = replace(run, equilibration=0.2, parts=4, length=0.5, every=0.02)
    found: dict = {
        "strains": {name: values.round(4).tolist() for name, (values, _) in frames.modes().items()},
        "labels": frames.curves(frames.energies),
        "models": {},
    }

    def make(name: str) -> Model:
        if name == "published":
            return Model(published(PUBLISHED["tungsten"], options), True, short)
        tuned, cost = fine_tuned("tungsten", options)
        if name == "fine-tuned":
            return Model(tuned, True, short, cost)
        return distilled("tungsten", tuned, run, options)

    for name in MODELS:
        if name not in options.models:
            if name in known:
                found["models"][name] = known[name]
            continue
        model = make(name)
        calculator = DP(model.path)
        rest = at_rest(calculator)
        model = replace(model, run=replace(model.run, atoms=crystal(rest["elastic"]["a"])))
        result, _ = compared("tungsten", name, model, options)
        curves = frames.curves(energies_of(calculator, frames))
        found["models"][name] = result | rest | {"curves": curves}
    return found


def published(name: str, options: argparse.Namespace) -> Path:
    """The path of the file of a published model.

    Raises:
        DataError: It is not there.
    """
    path = options.pretrained / name
    if not path.is_file():
        raise DataError(f"{path}: there is no such file; give its folder with --pretrained")
    return path.resolve()


def fine_tuned(material: str, options: argparse.Namespace) -> tuple[Path, float]:
    """The folder of the fine-tuned model, and the core-minutes that it took."""
    data_set = TUNINGS[material]
    teacher = published(PRETRAINED, options)
    run = TrainingRun(data_set, 1, options.output, options.data, pretrained=teacher)
    left = None if options.budget is None else options.budget - used()
    record, _ = run.measure(left)
    return run.folder, record.core_minutes


def distilled(name: str, teacher: Path, run: Dynamics, options: argparse.Namespace) -> Model:
    """The student, of a distillation that is not repeated."""
    begin(options)
    folder = options.output / f"{name}-student"
    folder.mkdir(parents=True, exist_ok=True)
    config = load_input(INPUTS / f"{name}.json")
    systems = options.data / config["distill"]["systems"]
    advice = "give the folder of the data with --data"
    config["distill"]["systems"] = str(check_folder(systems, advice))
    with write_whole(folder / "input.json", "w") as file:
        json.dump(config, file)
    # Opening the results of one that is done costs seconds, and is none of its cost.
    done = (folder / "distill" / "report.json").is_file()
    with nullcontext() if done else counted(folder / COST):
        result: DistillResult = distill(str(teacher), folder / "input.json", folder / "distill")
    error = round(1000 * result.errors["force"], 1)
    count = result.rounds[-1]["train"]["frames"]
    cost = round(read_cost(folder / COST), 2)
    # The folder with the checkpoint, which any graph can be made of.
    return Model(Path(result.student.name).parent, False, run, cost, (error, count))


def compared(name: str, kind: str, model: Model, options: argparse.Namespace) -> tuple[dict, list]:
    """Errors, speed and dynamics of a model.

    Returns:
        What is recorded, and the frames of the dynamics.
    """
    folders = [
        str(check_folder(options.data / part, "give the folder of the data with --data"))
        for part in VALID[name]
    ]
    with DeepPot(model.path) as potential:
        errors = errors_of(measure_errors(potential, find_systems(folders)))
    folder = options.output / f"{name}-{kind}"
    speed = {}
    for fast in (False, True):
        graph = write_graph(model, folder, fast=fast)
        length = _TIMED * model.run.timestep
        few = replace(model.run, equilibration=length, parts=1, length=length, every=length)
        part = folder / ("speed-fast" if fast else "speed")
        carry_out(few, graph, part, options)
        milliseconds = 1000 * few.processor_seconds_per_step(part)
        speed["fast" if fast else "stock"] = float(f"{milliseconds:.3g}")
    carry_out(model.run, graph, folder / "run", options)
    # Up to where its temperature is no longer that of the start.
    whole = replace(model.run, kept=_SAME_TEMPERATURE)
    found = summary(whole, folder / "run") | {
        "broke_at": model.run.broke_at(folder / "run"),
        "left_at": whole.broke_at(folder / "run"),
        "errors": errors,
        "core_minutes": model.core_minutes,
        "teacher": model.teacher,
        "processor_milliseconds": speed,
    }
    del found["milliseconds"]
    print(name, kind, found, file=sys.stderr)
    return found, whole.frames(folder / "run")


def write_graph(model: Model, folder: Path, *, fast: bool) -> Path:
    """The graph of a model for LAMMPS, of stock operations or of deepattn's own.

    A published graph of stock operations is taken as it is.
    """
    if model.path.is_file() and not fast:
        return model.path
    folder.mkdir(parents=True, exist_ok=True)
    graph = folder / ("fast.pb" if fast else "stock.pb")
    if not graph.is_file():
        source = open_model_file(model.path)
        if model.attention:
            convert(source, graph, fast=fast)
        else:
            compress_model(source, graph, fast=fast)
    return graph


def carry_out(run: Dynamics, graph: Path, folder: Path, options: argparse.Namespace) -> None:
    """Run what has not been run, also after the energy has jumped."""
    begin(options)
    lasting = replace(run, kept=_SAME_TEMPERATURE)
    lasting.carry_out(options.lmp, graph, folder, str(ops.fast_library()))


def used() -> float:
    """Core-minutes of this program and of those that it has run."""
    return sum(os.times()[:4]) / 60


def begin(options: argparse.Namespace) -> None:
    """Begin nothing more when the budget is used.

    Raises:
        KeyboardInterrupt: It is.
    """
    if options.budget is not None and used() > options.budget:
        raise KeyboardInterrupt


@contextmanager
def counted(path: Path) -> Iterator[None]:
    """Add the core-minutes of this process to those in a file."""
    before, began = read_cost(path), used()
    try:
        yield
    finally:
        write_cost(path, before + used() - began)


SYSTEMS: dict[str, Callable[[argparse.Namespace, dict], dict]] = {
    "water": water,
    "tungsten": tungsten,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Make and compare them."""
    parser = make_parser(__doc__)
    parser.add_argument("systems", nargs="*", metavar="SYSTEM", help=f"of {', '.join(SYSTEMS)}")
    parser.add_argument(
        "--lmp", type=Path, default=Path("lmp"), help="LAMMPS with DeePMD-kit 3.0 or later"
    )
    parser.add_argument(
        "--pretrained",
        type=Path,
        default=SHARED / "pretrained",
        help="folder of the published graphs (%(default)s)",
    )
    parser.add_argument(
        "--models", nargs="+", choices=MODELS, default=MODELS, help="all of them by default"
    )
    add_budget(parser)
    options = parser.parse_args(arguments)
    with one_sentence():
        known = read_json(STUDENTS, {})
        for name in options.systems or SYSTEMS:
            if name not in SYSTEMS:
                raise DataError(f"{name} is none of {', '.join(SYSTEMS)}")
            known[name] = SYSTEMS[name](options, known.get(name, {}).get("models", {}))
            write_json(STUDENTS, known)


if __name__ == "__main__":
    main()
