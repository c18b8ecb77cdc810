"""The record of one fine-tuning: a JSON file."""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from deepattn.formats.files import write_whole

HERE = Path(__file__).resolve().parent
# Modules that folders of examples share are next to them.
sys.path.append(str(HERE.parent))
RESULTS = HERE / "results"


@dataclass(frozen=True)
class Record:
    """One fine-tuning and what it did.

    Attributes:
        set: Name of the new data.
        way: Name of the way; ``pretrained`` is the model before.
        strength: Of the way.
        seed: Of the training; 0 are those by which the strengths were chosen.
        steps: Of the training.
        frames: Numbers of frames: ``train``, ``valid``, ``old``, ``other``.
        new: Root mean square errors on the frames kept back of the new data: ``energy`` (eV/atom),
            ``force`` (eV/Å).
        drift: Root mean square changes of the predictions on other frames, likewise.
        other: Root mean square errors there: ``force``.
        core_minutes: Processor time.
    """

    set: str
    way: str
    strength: float
    seed: int
    steps: int
    frames: Mapping[str, int]
    new: Mapping[str, float]
    drift: Mapping[str, float]
    other: Mapping[str, float]
    core_minutes: float

    @property
    def name(self) -> str:
        """Of its file."""
        return f"{self.set}-{self.way}-{self.strength:g}-{self.seed}"

    def write(self, folder: Path) -> None:
        """Write it to its file."""
        folder.mkdir(parents=True, exist_ok=True)
        with write_whole(folder / f"{self.name}.json", "w") as file:
            json.dump(asdict(self), file, indent=1)
            file.write("\n")


def read_records(folder: Path) -> list[Record]:
    """All records of a folder."""
    return [Record(**json.loads(path.read_text())) for path in sorted(folder.glob("*.json"))]
