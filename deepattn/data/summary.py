"""The table of systems that is printed before training."""

from deepattn.data.dataset import DataSet

_NAME_WIDTH = 42
_RULE = 85


def summary_lines(dataset: DataSet, title: str) -> list[str]:
    """One line per system: atoms, batch size, batches, probability, periodicity.

    Args:
        dataset: The data.
        title: Purpose: ``"Training"`` or ``"Validation"``.
    """
    head = f"---Summary of DataSystem: {title:13}"
    lines = [
        head.ljust(_RULE, "-"),
        f"Found {len(dataset.systems)} System(s):",
        f"{'system':>{_NAME_WIDTH}}  {'natoms':>6}  {'bch_sz':>6}  {'n_bch':>6}  {'prob':>9}  pbc",
    ]
    rows = zip(
        dataset.systems,
        dataset.batch_sizes.sizes,
        dataset.numb_batches,
        dataset.probs,
        strict=True,
    )
    for system, size, batches, probability in rows:
        lines.append(
            f"{_shorten(system.path):>{_NAME_WIDTH}}  {system.natoms:>6}  {size:>6}  {batches:>6}"
            f"  {probability:>9.3e}  {'T' if system.periodic else 'F':>3}"
        )
    lines.append("-" * _RULE)
    return lines


def _shorten(path: str) -> str:
    """The end of a long path, which distinguishes systems."""
    return path if len(path) <= _NAME_WIDTH else "-- " + path[3 - _NAME_WIDTH :]
