"""Write the structures that the loop starts from: five cells of aluminium."""

from ase.build import bulk, fcc100, fcc111
from ase.io import write

cubic = bulk("Al", cubic=True)
write(
    "structures.extxyz",
    [
        bulk("Al"),
        cubic,
        cubic.repeat((2, 1, 1)),
        fcc100("Al", (1, 1, 5), vacuum=6.0, periodic=True),
        fcc111("Al", (1, 1, 5), vacuum=6.0, periodic=True),
    ],
)
