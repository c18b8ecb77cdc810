"""Unseen compositions: does a shared type embedding transfer better than one net per pair?

    python transfer.py -o transfer [--data .../monbtaw/npy] [--unseen Nb-W Mo-Ta] [--steps 10000]

Models learn from the frames of elements and of some binaries; whole binaries (all their
compositions) are kept from them and serve as test, beside frames of the compositions that they saw.
All models train for the same number of steps, on the same frames, at the same learning rates.
Writes ``results.json`` and ``transfer.png`` and prints a Markdown table. A second call trains
nothing.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

from command import SHARED, check_folder, collect, make_parser, one_sentence
from frames import systems_by_elements
from pictures import plot_transfer
from spread import as_markdown
from training_run import LOSS, TrainingRun, rate_section, training_input

from deepattn.errors import DataError

COMMON = {
    "rcut": 5.0,
    "rcut_smth": 0.5,
    "sel": "auto",
    "neuron": [20, 40, 80],
    "axis_neuron": 8,
    "precision": "float32",
}
# Names as in the tables and figures. One-sided means one embedding net for each element of a
# neighbor; otherwise there is one for each pair of elements.
DESCRIPTORS: dict[str, dict] = {
    "se_atten": {"type": "se_atten_v2", "attn": 64, "attn_layer": 2},
    "se_atten, no attention": {"type": "se_atten_v2", "attn_layer": 0},
    "se_e2_a": {"type": "se_e2_a"},
    "se_e2_a, one-sided": {"type": "se_e2_a", "type_one_side": True},
}
RATE = rate_section(5e-3)


def model_section(descriptor: Mapping, type_map: Sequence[str]) -> dict:
    """The ``model`` section with one of the descriptors."""
    section = {
        "type_map": list(type_map),
        "descriptor": {**COMMON, **descriptor},
        "fitting_net": {"neuron": [120, 120, 120], "precision": "float32"},
        "data_stat_nbatch": 1,  # there are a hundred systems
    }
    if descriptor["type"] == "se_atten_v2":
        section["type_embedding"] = {"neuron": [32], "precision": "float32"}
    return section


def split(data: Path, unseen: Sequence[str]) -> dict[str, list[str]]:
    """Systems to train on, and of the validation data those of compositions seen and unseen.

    Args:
        data: Folder with ``train`` and ``valid``.
        unseen: Pairs of elements to keep back, such as ``Nb-W``.

    Raises:
        DataError: A part is empty.
    """
    pairs = [frozenset(pair.split("-")) for pair in unseen]
    parts: dict[str, list[str]] = {"train": [], "seen": [], "unseen": []}
    for folder, seen in (("train", "train"), ("valid", "seen")):
        for path, elements in systems_by_elements(data / folder).items():
            kept_back = any(pair <= elements for pair in pairs)
            if not kept_back:
                parts[seen].append(path)
            elif folder == "valid":
                parts["unseen"].append(path)
    for part, paths in parts.items():
        if not paths:
            raise DataError(f"{data}: with {', '.join(unseen)} kept back no system is {part}")
    return parts


def main(argv: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__, seeds=(1, 2, 3))
    parser.add_argument("--data", type=Path, default=SHARED / "data" / "monbtaw" / "npy")
    parser.add_argument("--unseen", nargs="+", default=["Nb-W", "Mo-Ta"], metavar="A-B")
    parser.add_argument("--models", nargs="+", choices=DESCRIPTORS, default=list(DESCRIPTORS))
    parser.add_argument("--steps", type=int, default=10000)
    args = parser.parse_args(argv)
    with one_sentence():
        parts = split(check_folder(args.data, "give --data with train and valid"), args.unseen)
        elements = sorted(set().union(*systems_by_elements(args.data).values()))
        tests = {"seen": parts["seen"], "unseen": parts["unseen"]}

        def results_of(row: dict) -> dict:
            config = training_input(
                model_section(DESCRIPTORS[row["model"]], elements),
                parts["train"],
                batch_size="auto:64",
                steps=args.steps,
                rate=RATE,
                loss=LOSS,
                seed=row["seed"],
            )
            folder = args.output / row["model"].replace(", ", "-").replace(" ", "-")
            run = TrainingRun(folder / f"seed-{row['seed']}", config, tests)
            return {"errors": run.errors()}

        rows = [{"model": model, "seed": seed} for seed, model in product(args.seeds, args.models)]
        rows = collect(rows, results_of, args.output / "results.json")
        print(as_markdown(rows, ["model"]))
        print(plot_transfer(rows, args.output / "transfer.png"))


if __name__ == "__main__":
    main()
