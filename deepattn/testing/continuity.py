"""The energy is smooth where a neighbor enters or leaves the cutoff sphere."""

from __future__ import annotations

import numpy as np

from deepattn.testing.check import Check
from deepattn.testing.evaluate import Evaluate, values
from deepattn.testing.frames import Frame


def check_continuity(
    evaluate: Evaluate, *, rcut: float, ntypes: int, step: float = 1e-6, tolerance: float = 1e-9
) -> Check:
    """Energy and forces do not jump when an atom crosses the cutoff sphere.

    One atom of every type in turn is moved from ``rcut − step`` to ``rcut + step`` from one atom
    of a cluster, out of reach of all others. What a smooth model changes by on this way is of
    third order in ``step``.

    DPA-1 is smooth only with ``smooth_type_embedding`` (as in ``se_atten_v2``) or without attention
    layers, and, if embedded by concatenation, with ``set_davg_zero``: its plain attention counts a
    neighbor fully or not at all. That is its definition, not a fault of the program.

    Args:
        evaluate: See `evaluator`.
        rcut: Cutoff radius, Å.
        ntypes: Number of types.
        step: Distance from the sphere, Å.
        tolerance: Largest jump allowed, eV and eV/Å.
    """
    worst, detail = -1.0, ""
    for atype in range(ntypes):
        frames = [_cluster(rcut + side * step, atype, ntypes) for side in (-1, 1)]
        result = values(evaluate, frames)
        for quantity, unit in ((result.energy, "eV"), (result.force, "eV/Å")):
            jump = np.abs(quantity[1] - quantity[0]).max()
            if not jump <= worst:
                worst, detail = float(jump), f"{jump:.2e} {unit} as an atom of type {atype} leaves"
    return Check("continuity at rcut", "cluster", worst, tolerance, "eV, eV/Å", detail)


def _cluster(distance: float, atype: int, ntypes: int) -> Frame:
    """Three atoms close together, and one at ``distance`` from the first of them."""
    cluster = np.array([[0.0, 0.0, 0.0], [-1.1, 0.3, 0.2], [-0.5, -1.2, 0.4]])
    # Away from the other two, so that they are farther from the probe than the first.
    direction = np.array([0.8, 0.48, -0.36])
    coord = np.vstack([cluster, direction * distance])
    types = np.append(np.arange(3) % ntypes, atype).astype(np.int32)
    return Frame(coord, types, None, "cluster")
