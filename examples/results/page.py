"""Write the tables of the pages from the recorded results, or check that they agree."""

import json
from collections.abc import Callable, Sequence
from functools import partial

import limits_tables
import numpy as np
import physics_tables
from command import ROOT, one_sentence
from lambench import instability, read_models
from record import RESULTS, Record, read_records
from sets import HERE, SETS, DataSet
from suggested import KINDS, by_slice, mean_error, ratio, read_rows
from tables import as_table, write_or_check

from deepattn.config import load_input

PAGES = tuple(ROOT / "docs" / name for name in ("results.md", "suggest.md"))


def overview(records: Sequence[Record]) -> str:
    """Every data set: model, cost, errors, goals."""
    rows = []
    for data_set, own in _by_set(records, lambda record: record.is_result):
        data = own[0].data
        frames = f"{data['training']['frames']:,} / {data['validation']['frames']}"
        seeds = "" if len(own) == 1 else f", {len(own)} seeds"
        rows.append(
            [
                data_set.title,
                frames,
                f"`{_read(data_set)['model']['descriptor']['type']}`",
                f"{own[0].steps:,}",
                f"{np.mean([record.core_minutes for record in own]):.1f}{seeds}",
                *(_errors(own, name, "rmse") for name in ("energy", "force", "virial")),
                _errors(own, "force", "mae"),
                _goals(data_set, own),
            ]
        )
    header = [
        "material",
        "frames, training / validation",
        "descriptor",
        "steps",
        "core-minutes",
        "energy RMSE (meV/atom)",
        "force RMSE (meV/Å)",
        "virial RMSE (meV/atom)",
        "force MAE (meV/Å)",
        "goal",
    ]
    return as_table(header, rows)


def inputs(records: Sequence[Record]) -> str:
    """What the inputs have in common and where they differ."""
    rows = []
    for data_set, own in _by_set(records, lambda record: record.is_result):
        config = _read(data_set)
        model, loss = config["model"], config["loss"]
        descriptor, rate = model["descriptor"], config["learning_rate"]
        prefactors = ", ".join(
            f"{quantity} {loss[f'start_pref_{quantity}']} → {loss[f'limit_pref_{quantity}']}"
            for quantity in "efv"
            if f"start_pref_{quantity}" in loss
        )
        rows.append(
            [
                f"[`{data_set.name}`](../examples/results/inputs/{data_set.name}.json)",
                f"`{descriptor['type']}`",
                f"{descriptor['rcut']} Å",
                f"{_net(descriptor['neuron'])}, axis {descriptor['axis_neuron']}",
                _net(model["fitting_net"]["neuron"]),
                f"{own[0].parameters:,}",
                f"`{config['training']['training_data']['batch_size']}`",
                f"{rate['type']} {rate['start_lr']} → {rate['stop_lr']}",
                prefactors,
            ]
        )
    header = [
        "input",
        "descriptor",
        "cutoff",
        "embedding net",
        "fitting net",
        "parameters",
        "batch",
        "learning rate",
        "prefactors",
    ]
    return as_table(header, rows)


def variants(records: Sequence[Record]) -> str:
    """Short trainings from which the inputs were chosen."""
    rows = [
        [
            SETS[record.set].title,
            record.variant,
            f"{record.steps:,}",
            f"{60 * record.core_minutes:.0f}",
            *(_errors([record], name, "rmse") for name in ("energy", "force")),
        ]
        for record in records
        if record.variant and record.is_own
    ]
    header = [
        "material",
        "input",
        "steps",
        "core-seconds",
        "energy RMSE (meV/atom)",
        "force RMSE (meV/Å)",
    ]
    return as_table(header, rows)


def deepmd(records: Sequence[Record]) -> str:
    """Trainings by DeePMD-kit, beside those of deepattn from the same input."""
    rows = []
    for peer in records:
        if peer.is_own:
            continue
        twin = [r for r in records if r.is_own and r.key == peer.key]
        for record in (*twin, peer):
            rows.append(
                [
                    ", ".join(filter(None, (SETS[record.set].title, record.variant))),
                    " ".join(next(iter(record.program.items()))),
                    f"{record.steps:,}",
                    f"{record.core_minutes:.1f}",
                    *(_errors([record], name, "rmse") for name in ("energy", "force")),
                ]
            )
    header = [
        "material",
        "program",
        "steps",
        "core-minutes",
        "energy RMSE (meV/atom)",
        "force RMSE (meV/Å)",
    ]
    return as_table(header, rows)


def published(records: Sequence[Record]) -> str:
    """What others have reached on data of the same origin."""
    rows: list[list] = []
    for value in json.loads((HERE / "published.json").read_text()):
        data_set = SETS[value["set"]]
        if not any(row[0] == data_set.title and row[1] == "**deepattn, here**" for row in rows):
            own = [r for r in records if r.is_result and r.set == data_set.name]
            if not own:
                continue
            errors = [_errors(own, name, "rmse") for name in ("energy", "force")]
            rows.append([data_set.title, "**deepattn, here**", *errors, ""])
        numbers = [f"{value[name]:g}" if name in value else "–" for name in ("energy", "force")]
        note = f"{value['differs']} ([source]({value['source']}))".strip()
        rows.append([data_set.title, value["model"], *numbers, note])
    header = ["material", "model", "energy (meV/atom)", "force (meV/Å)", "data and source"]
    return as_table(header, rows)


def suggestions(records: Sequence[Record]) -> str:
    """Inputs of `deepattn init` beside tuned ones."""
    rows = []
    for name, pair in by_slice(read_rows(HERE / "suggested.json")).items():
        own = next(row for row in pair if row["kind"] == "init")
        seeds = len({row["seed"] for row in pair})
        rows.append(
            [
                name if seeds == 1 else f"{name}, {seeds} seeds",
                f"{own['frames']:,}",
                f"`{own['descriptor']}`, {own['rcut']:g} Å",
                *(f"{mean_error(pair, kind, 'energy'):.1f}" for kind in KINDS),
                *(f"{mean_error(pair, kind, 'force'):.0f}" for kind in KINDS),
                f"{ratio(pair, 'force'):.2f}",
            ]
        )
    header = [
        "data",
        "frames",
        "chosen",
        "energy, `init` (meV/atom)",
        "tuned",
        "force, `init` (meV/Å)",
        "tuned",
        "ratio",
    ]
    return as_table(header, rows)


def constant_energy(records: Sequence[Record]) -> str:
    """The structures of LAMBench at constant energy."""
    models = read_models()
    names = dict.fromkeys(name for found in models.values() for name in found["runs"])
    rows = []
    for name in names:
        runs = [found["runs"].get(name) for found in models.values()]
        atoms = next(run["atoms"] for run in runs if run is not None)
        rows.append([name, f"{atoms}", *map(_drift, runs)])
    return as_table(["structure", "atoms", *models], rows)


def lambench(records: Sequence[Record]) -> str:
    """Instability and efficiency by the formulas of LAMBench."""
    rows = []
    for name, found in read_models().items():
        runs, speed = list(found["runs"].values()), found["efficiency"]
        rows.append(
            [
                name,
                f"{len(runs)} of {found['structures']}",
                f"{instability(runs, found['steps']):.2f}",
                f"{speed['cells']} of {speed['atoms']:.0f} atoms",
                f"{speed['microseconds']:.0f}",
                f"{100 / speed['microseconds']:.3f}",
            ]
        )
    header = ["model", "structures", "instability", "cells", "µs per atom", "efficiency"]
    return as_table(header, rows)


TABLES: dict[str, Callable[[Sequence[Record]], str]] = {
    "overview": overview,
    "inputs": inputs,
    "variants": variants,
    "deepmd": deepmd,
    "published": published,
    **physics_tables.TABLES,
    "suggestions": suggestions,
    **limits_tables.TABLES,
    "constant_energy": constant_energy,
    "lambench": lambench,
}


def _by_set(
    records: Sequence[Record], wanted: Callable[[Record], bool]
) -> list[tuple[DataSet, list[Record]]]:
    groups = [
        (data_set, [record for record in records if record.set == name and wanted(record)])
        for name, data_set in SETS.items()
    ]
    return [(data_set, own) for data_set, own in groups if own]


def _read(data_set: DataSet) -> dict:
    return load_input(HERE / "inputs" / f"{data_set.name}.json")


def _net(widths: Sequence[int]) -> str:
    return "-".join(map(str, widths))


def _errors(records: Sequence[Record], name: str, kind: str) -> str:
    """Mean over seeds, and after ± the largest deviation of one of several."""
    if any(name not in record.errors for record in records):
        return "–"
    values = np.array([record.errors[name][kind] for record in records])
    mean, deviation = values.mean(), np.abs(values - values.mean()).max()
    digits = 1 if mean < 100 else 0
    spread = f" ± {deviation:.{digits}f}" if len(values) > 1 else ""
    return f"{mean:.{digits}f}{spread}"


def _drift(run: dict | None) -> str:
    """LAMBench's drift, or why there is none."""
    if run is None:
        return "–"
    return "broke" if run["drift"] is None else f"{run['drift']:.1g}"


def _goals(data_set: DataSet, records: Sequence[Record]) -> str:
    words = []
    for name, goal in data_set.goals.items():
        reached = np.mean([record.errors[name]["rmse"] for record in records]) <= goal
        words.append(f"{name} ≤ {goal}: {'reached' if reached else 'not reached'}")
    return ", ".join(words)


def tables() -> dict[str, Callable[[], str]]:
    """The tables of the pages, of the records that there are."""
    records = read_records(RESULTS)
    return {name: partial(write, records) for name, write in TABLES.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the pages, or compare them with the results."""
    with one_sentence():
        write_or_check(__doc__, PAGES, tables(), arguments)


if __name__ == "__main__":
    main()
