"""Trajectories as LAMMPS dumps them."""

import numpy as np

CELL = np.array([[4.2, 0.0, 0.0], [0.5, 4.4, 0.0], [-0.3, 0.6, 5.0]])
ORIGIN = np.array([-1.0, 2.0, 0.5])


def bounds(cell=CELL, origin=ORIGIN, boundary="pp pp pp"):
    """The lines of a triclinic box: the edges of the box around it, and the tilts."""
    (xx, _, _), (xy, yy, _), (xz, yz, zz) = cell
    low = np.add(origin, [min(0, xy, xz, xy + xz), min(0, yz), 0])
    high = np.add(origin, [xx + max(0, xy, xz, xy + xz), yy + max(0, yz), zz])
    rows = zip(low, high, (xy, xz, yz), strict=True)
    lines = [f"ITEM: BOX BOUNDS xy xz yz {boundary}"]
    return lines + [" ".join(f"{value:.17g}" for value in row) for row in rows]


def frame(step, columns, rows, *, box=None):
    """One frame; ``columns`` as in ``dump custom``, ``rows`` of words or numbers."""
    lines = ["ITEM: TIMESTEP", str(step), "ITEM: NUMBER OF ATOMS", str(len(rows))]
    lines += bounds() if box is None else box
    lines.append(f"ITEM: ATOMS {columns}")
    for row in rows:
        lines.append(" ".join(f"{x:.17g}" if isinstance(x, float) else str(x) for x in row))
    return "\n".join(lines) + "\n"


def write_dump(path, coords, types, *, columns="id type x y z", steps=None, shuffle=False):
    """Frames ``[nframes, natoms, 3]`` in `CELL`, types from 1, in the given columns."""
    rng = np.random.default_rng(3)
    text = ""
    for number, coord in enumerate(coords):
        named = {"id": range(1, len(types) + 1), "type": types}
        named["element"] = [{1: "O", 2: "H"}[kind] for kind in types]
        for names, places in {
            "x y z": coord + ORIGIN,
            "xu yu zu": coord + ORIGIN + CELL[0] - 2 * CELL[2],
            "xs ys zs": coord @ np.linalg.inv(CELL),
            "xsu ysu zsu": coord @ np.linalg.inv(CELL) + [3, -1, 0],
        }.items():
            named.update(zip(names.split(), places.T.tolist(), strict=True))
        rows = list(zip(*(named[name] for name in columns.split()), strict=True))
        if shuffle:
            rows = [rows[index] for index in rng.permutation(len(rows))]
        step = number if steps is None else steps[number]
        text += frame(step, columns, rows)
    path.write_text(text)
    return path
