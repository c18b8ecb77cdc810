"""Keys of the ``distill`` section, which only ``deepattn distill`` reads."""

from functools import cache

from dargs import Argument

from deepattn.config.argument import key, required, section


@cache
def distill_section() -> Argument:
    """What a distillation explores, selects and trains."""
    return section(
        "distill",
        [
            required(
                "systems",
                [str, list[str]],
                "Structures to start from: systems of DeePMD, or files that ASE reads.",
            ),
            key("structures", int, 20, "Structures taken from them at most, evenly spread."),
            key("supercell", list[int], [1, 1, 1], "How often each is repeated along its cell."),
            key("seed", int, 1, "Seed of displacements, velocities, selection and students."),
            key("ensemble", int, 1, "Students trained a round; two or more select by themselves."),
            key("rounds", int, 5, "Rounds at most, each with a training and an exploration."),
            key("hours", [float, None], None, "Work, in hours, after which no round is begun."),
            key("threshold", float, 0.06, "RMSE of the forces on new frames that is enough, eV/Å."),
            key(
                "closest",
                float,
                0.6,
                "Nearest two atoms may come, as a part of the sum of their covalent radii.",
            ),
            section("explore", _explore(), [], "Molecular dynamics.", optional=True),
            section("seed_frames", _seed_frames(), [], "The first frames.", optional=True),
            section("select", _select(), [], "What a round adds to the data.", optional=True),
            section("later", _later(), [], "Trainings after the first one.", optional=True),
        ],
        [],
        "What `deepattn distill` does. The other sections are the student's and may be left out, "
        "each with all it holds.",
    )


def _explore() -> list[Argument]:
    return [
        key("temperatures", list[float], [300.0, 600.0, 1000.0], "K."),
        key(
            "pressures",
            [list[float], None],
            [0.0],
            "GPa; null keeps the cells, as do structures without a complete periodic cell.",
        ),
        key("runs", int, 4, "Runs at each temperature and pressure, from different structures."),
        key("timestep", float, 2.0, "fs."),
        key("steps", int, 1000, "Steps of a run."),
        key("every", int, 50, "Steps from one frame that is kept to the next."),
    ]


def _seed_frames() -> list[Argument]:
    return [
        key("copies", int, 10, "Strained and perturbed copies of each structure."),
        key("displacement", float, 0.1, "Standard deviation of their atoms' displacements, Å."),
        key("strain", float, 0.05, "Largest component of their cells' strain."),
        key("steps", int, 200, "Steps of the teacher's runs, as many runs as in explore."),
        key("every", int, 20, "Steps from one frame of them that is kept to the next."),
    ]


def _select() -> list[Argument]:
    return [
        key("low", float, 0.1, "Largest deviation of a force in a frame to be taken, from, eV/Å."),
        key("high", float, 1.0, "The same, to, eV/Å."),
        key("frames", int, 200, "Frames taken in a round at most."),
        key("judged", int, 100, "With an ensemble: random frames labeled to judge the students."),
    ]


def _later() -> list[Argument]:
    return [
        key("numb_steps", int, 20000, "Steps of each, from the weights of the last student."),
        key("start_lr", float, 1e-4, "Learning rate that they start with."),
    ]
