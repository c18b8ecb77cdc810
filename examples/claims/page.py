"""Write tables and picture of docs/claims.md from the recorded results, or check the tables."""

from collections.abc import Callable, Sequence
from pathlib import Path

from command import ROOT, one_sentence, read_runs
from pictures import plot_transfer
from spread import as_markdown
from tables import write_or_check

# Copies of the files that the scripts have written.
RESULTS = Path(__file__).resolve().parent / "results"
PAGE = ROOT / "docs" / "claims.md"
PICTURE = ROOT / "docs" / "images" / "claims-transfer.png"


def transfer() -> str:
    """Pairs of elements seen and unseen."""
    return as_markdown(read_runs(RESULTS / "transfer.json"), ["model"])


def from_scratch() -> str:
    """Small models from scratch, with many steps."""
    return as_markdown(read_runs(RESULTS / "from_scratch.json"), ["set", "frames"])


TABLES: dict[str, Callable[[], str]] = {"transfer": transfer, "from_scratch": from_scratch}


def main(arguments: Sequence[str] | None = None) -> None:
    """Write tables and picture, or compare the tables with the results."""
    with one_sentence():
        if write_or_check(__doc__, [PAGE], TABLES, arguments):
            print(plot_transfer(read_runs(RESULTS / "transfer.json"), PICTURE))


if __name__ == "__main__":
    main()
