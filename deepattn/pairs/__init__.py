"""Potentials of pairs of atoms from tables, and switching from a network to them."""

from deepattn.pairs.layer import PairTable
from deepattn.pairs.slots import PairSlots
from deepattn.pairs.switch import Switch, soft_minimum, switch_of_minimum
from deepattn.pairs.table_file import Table, read_table

__all__ = [
    "PairSlots",
    "PairTable",
    "Switch",
    "Table",
    "read_table",
    "soft_minimum",
    "switch_of_minimum",
]
