"""Thirty sets of systems that a user might have, for inputs that nobody has tuned."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

_METALS = ("Mo", "Nb", "Ta", "W")


@dataclass(frozen=True)
class Slice:
    """Some of the data.

    Attributes:
        name: In file names and in the table.
        tuned: The data set whose tuned input it is compared with.
        training: Folders below that of the data, or patterns.
        validation: The same.
    """

    name: str
    tuned: str
    training: Sequence[str]
    validation: Sequence[str]


def _part(name: str, tuned: str, *folders: str) -> Slice:
    parts = ([folder.format(part) for folder in folders] for part in ("train", "valid"))
    return Slice(name, tuned, *parts)


def _binary(a: str, b: str) -> Slice:
    # Formulas name the elements in the order of the alphabet.
    return _part(f"{a}–{b}", "monbtaw", f"monbtaw/npy/{{}}/binary/{a}*{b}*", *_single(a, b))


def _single(*elements: str) -> list[str]:
    return [f"monbtaw/npy/{{}}/unary/{name}*" for name in elements]


SLICES = {
    found.name: found
    for found in (
        _part("water", "water", "water/{}"),
        Slice("water, first run", "water", ["water/train/data_0"], ["water/valid"]),
        Slice("water, second run", "water", ["water/train/data_1"], ["water/valid"]),
        _part("3BPA", "3bpa", "organic/3bpa/{}"),
        _part("acetylacetone", "ethanol_methanol", "organic/acac/{}"),
        _part("ethanol", "ethanol_methanol", "organic/ethanol_methanol/npy/{}/C2H6O"),
        _part("methanol", "ethanol_methanol", "organic/ethanol_methanol/npy/{}/CH4O"),
        _part("ethanol and methanol", "ethanol_methanol", "organic/ethanol_methanol/npy/{}"),
        _part("MAPbI3", "mapbi3", "mapbi3/npy/{}"),
        _part("LLZO", "llzo", "llzo/npy/{}"),
        _part("Nb–Mo–Ta–W", "monbtaw", "monbtaw/mixed/{}"),
        _part("Nb–Mo–Ta–W, a folder a formula", "monbtaw", "monbtaw/npy/{}"),
        _part("Nb, Mo, Ta, W alone", "monbtaw", "monbtaw/npy/{}/unary"),
        _part("binaries of Nb, Mo, Ta, W", "monbtaw", "monbtaw/npy/{}/binary"),
        *(_part(name, "monbtaw", *_single(name)) for name in _METALS),
        *(_binary(a, b) for a, b in combinations(_METALS, 2)),
        _part("HEA25", "hea25", "hea25/mixed/{}"),
        _part("MPtrj", "elements86", "mptrj/mixed/{}"),
        _part("Alexandria", "elements86", "alexandria/mixed/{}"),
        _part("high pressure", "elements86", "tp/mixed/{}"),
        _part("MPtrj and Alexandria", "elements86", "mptrj/mixed/{}", "alexandria/mixed/{}"),
        _part("86 elements", "elements86", "mptrj/mixed/{}", "alexandria/mixed/{}", "tp/mixed/{}"),
    )
}
