"""Tables of pairs in frozen graphs of DeePMD-kit."""

from __future__ import annotations

from pathlib import Path

from deepattn.errors import ModelFileError
from deepattn.formats.frozen import FrozenModel
from deepattn.formats.messages import attribute
from deepattn.formats.weight_names import TABLE_DATA


def refuse_shared_slots(frozen: FrozenModel, path: Path) -> None:
    """Refuse a graph whose operation takes neighbors for those of another type.

    DeePMD-kit's ``PairTab`` reads the type of a neighbor off its place in the list. Where neighbors
    of all types share one list, it takes all of them for type 0.

    Raises:
        ModelFileError: That makes a difference.
    """
    if frozen.ntypes == 1:
        return
    shared = [
        node.name
        for node in frozen.graph.nodes.values()
        if node.op == "PairTab" and len(attribute(node, "sel_a").list.i) == 1
    ]
    tables = [array for name, array in frozen.weights.items() if name.endswith(TABLE_DATA)]
    rows = [table.reshape(frozen.ntypes, frozen.ntypes, -1) for table in tables]
    if shared and any((one != one[:, :1]).any() for one in rows):
        raise ModelFileError(
            f"{path}: its table of pairs takes every neighbor for one of type 0, a fault of "
            "DeePMD-kit where neighbors of all types share a list, so it cannot be rebuilt with "
            "the same energies; train it here"
        )
