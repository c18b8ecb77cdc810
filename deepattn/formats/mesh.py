"""Encoding of boundaries in DeePMD-kit's operations: the length of their input ``mesh``.

In a batch of ``MIXED`` frames each has its own order of atoms. A neighbor list of the caller comes
behind a head of `MESH_HEAD` numbers.
"""

MESH_OPEN, MESH_PERIODIC = 0, 6
MESH_OPEN_MIXED, MESH_PERIODIC_MIXED = 1, 7
MESH_HEAD = 16
