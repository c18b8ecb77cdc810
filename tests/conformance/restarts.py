"""A training from a frozen graph beside DeePMD-kit's, and a restart in its middle."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from deepattn.models import load_model
from deepattn.train import Trainer, train


def assert_same_steps_and_restart(
    theirs: Path, graph: str, folder: Path, monkeypatch, *, steps: int
) -> tuple[Trainer, str]:
    """Train with DeePMD-kit's lines, and again from the middle with the same bits.

    Args:
        theirs: Folder with ``input.json``, DeePMD-kit's ``input.out``, and the graph.
        graph: The graph that both begin from.
        folder: Where to train.
        monkeypatch: The fixture; the test is left in the folder of the restart.
        steps: Number of steps.

    Returns:
        The first training, and the first line of the curve.
    """
    monkeypatch.chdir(folder)
    content = json.loads((theirs / "input.json").read_text())
    content["training"] |= {"disp_file": "lcurve.out", "save_freq": steps // 2}
    (folder / "input.json").write_text(json.dumps(content))
    trainer = train("input.json", init_frz_model=theirs / graph)
    expected = (theirs / "input.out").read_text().splitlines()
    assert len(expected) == steps + 3
    assert (folder / "lcurve.out").read_text().splitlines() == expected
    middle = f"input.ckpt-{steps // 2}.h5"
    (folder / "again").mkdir()
    shutil.copy(middle, folder / "again" / middle)
    monkeypatch.chdir(folder / "again")
    train(folder / "input.json", restart=middle)
    again = Path("lcurve.out").read_text().splitlines()
    assert again[-steps // 2 :] == expected[-steps // 2 :]
    ends = [load_model(place / f"input.ckpt-{steps}.h5")[0] for place in (folder, Path())]
    arrays = [end.get_arrays() for end in ends]
    assert all((arrays[1][name] == array).all() for name, array in arrays[0].items())
    return trainer, expected[0]
