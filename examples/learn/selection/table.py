"""Print the tables of docs/learn.md from the results of compare.py."""

import json
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
NAMES = {
    "aluminium": "aluminium, Quantum ESPRESSO",
    "alloy": "copper and gold, EMT",
    "alloy-ensemble": "copper and gold, EMT, ensemble",
}


def read(name: str) -> dict:
    """Results of a material."""
    return json.loads((HERE / f"{name}-results.json").read_text(encoding="utf-8"))


def table() -> str:
    """Force errors of the last models of all seeds, meV/Å, selected / random."""
    lines = [
        "| | labels | test | by seed | mean | selected minus random |",
        "|---|---|---|---|---|---|",
    ]
    for name, title in NAMES.items():
        results = read(name)
        for test in results["tests"]:
            lines.append(_row(results, title, test))
    return "\n".join(lines)


def _row(results: dict, title: str, test: str) -> str:
    last: dict[str, list] = {"selected": [], "random": []}
    labels = []
    for kind, found in last.items():
        for seed in sorted({run["seed"] for run in results["runs"]}):
            runs = [r for r in results["runs"] if (r["seed"], r["frames"]) == (seed, kind)]
            run = max(runs, key=lambda r: r["labels"])
            found.append(1e3 * run[test]["force"])
            labels.append(run["labels"])
    selected, random = (np.array(last[kind]) for kind in ("selected", "random"))
    difference = selected - random
    error = difference.std(ddof=1) / np.sqrt(len(difference))
    counts = f"{min(labels)}–{max(labels)}" if min(labels) < max(labels) else f"{labels[0]}"
    seeds = ", ".join(f"{a:.0f} / {b:.0f}" for a, b in zip(selected, random, strict=True))
    means = f"{selected.mean():.0f} / {random.mean():.0f}"
    change = f"{difference.mean():+.0f} ± {error:.0f}"
    return f"| {title} | {counts} | {test} | {seeds} | {means} | {change} |"


if __name__ == "__main__":
    print(table())
