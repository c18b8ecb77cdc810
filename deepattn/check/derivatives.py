"""Consistency of energies, forces and virials in data without a trajectory."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

import numpy as np

from deepattn.check import bonds, pair_model
from deepattn.check.factors import explain, explain_force
from deepattn.check.finding import DOUBT, FAULT, NOT_TESTED, Finding
from deepattn.check.pair_model import FEW_ELEMENTS, Fit
from deepattn.check.relation import OUTLYING, Relation, of_energies, of_virials
from deepattn.check.sample import ENOUGH, Frame, Sample
from deepattn.check.work import Work

SIGN = "sign of forces"
ENERGY = "energy against forces"
VIRIAL = "virial against forces"

# Atoms of all frames that the model is fitted to.
_ATOMS = 3000
# Of right forces the correlation with the lengths of bonds is between −0.4 and −0.95, and the mean
# over frames is four standard errors at least from zero where the atoms have left their places.
_CLEAR = 0.35
_SURE = 4.0
_MOSTLY = 6.0
# eV/Å²; bonds of H with C, N and O have 25 to 55.
_STIFF = (10.0, 130.0)
_USUAL_STIFFNESS = 37.0
# The model must explain so much of the forces of other frames, and have so many components of
# forces for each coefficient; then what it says of energies must be so many times what is open.
_EXPLAINED = 0.5
_EQUATIONS = 5.0
_OPEN = 1.5
# A correlation that makes a ratio known to some tens of per cent, what it must be in standard
# errors, also times the expectation over what is open of it; and ratios that are right: a model of
# pairs errs by up to a half, the next mistake is a factor of nine.
_GOES_WITH = 0.65
_ERRORS = 4.0
_CERTAIN = 15.0
_RIGHT = (0.4, 2.5)
_FAR = (0.25, 4.0)
_NAMED = 1.5
# Labels that should go with the model's (so many times what is open) and do not at all are of
# other frames.
_STRONG = 6.0
_ALONE = 0.25
_CHANCE = 2.0
# Forces that no frame explains another's, though they are not small (eV/Å).
_UNEXPLAINED = 0.1
_SMALL = 0.2


class Derivatives:
    """Signs and units, tested by short bonds and by a pair model fitted to the forces.

    Systems of the same elements share a fit, those with more than five elements all. What the work
    of forces has tested is not tested again, and of a system that it has accused nothing but the
    sign of the forces is reported.

    Args:
        sample: Frames of the systems.
        work: Tests of near frames.
    """

    def __init__(self, sample: Sample, work: Work) -> None:
        self._sample = sample
        self._work = work
        self._missing: dict[tuple[str, str], str] = {}

    def report(self) -> Iterator[Finding]:
        """The findings, followed by the tests that were not possible."""
        groups: dict[frozenset | None, list[Frame]] = {}
        for path, frames in self._sample.frames.items():
            labeled = [frame for frame in frames if np.isfinite(frame.force).all()]
            self._ask(path, frames, labeled)
            if labeled:
                numbers = np.concatenate([frame.atoms.numbers for frame in labeled])
                elements = frozenset(numbers.tolist())
                key = elements if len(elements) <= FEW_ELEMENTS else None
                groups.setdefault(key, []).extend(labeled)
        atoms = {key: sum(len(x.atoms) for x in frames) for key, frames in groups.items()}
        for key, frames in groups.items():
            yield from self._judge(frames, _ATOMS * atoms[key] // sum(atoms.values()))
        for (check, path), reason in sorted(self._missing.items(), key=lambda item: item[0][0]):
            yield Finding(NOT_TESTED, check, path, reason)

    def _ask(self, path: str, frames: list[Frame], labeled: list[Frame]) -> None:
        """Record a test to be done on a system, or the reason why it cannot be done."""
        reason = self._sample.left_out.get(path)
        if not reason and not frames:
            return
        if not reason and not labeled:
            reason = "it has no forces"
        few = f"too few frames, {len(labeled)} of at least {ENOUGH}"
        done = self._work.tested(path)
        self._missing[SIGN, path] = reason or few
        if "force" not in done:
            energies = any(np.isfinite(frame.energy) for frame in labeled)
            self._missing[ENERGY, path] = reason or (few if energies else "it has no energies")
        virials = any(np.isfinite(frame.virial).all() and frame.periodic for frame in frames)
        if "virial" not in done and virials:
            self._missing[VIRIAL, path] = reason or few

    def _tested(self, check: str, paths: Sequence[str]) -> None:
        for path in paths:
            self._missing.pop((check, path), None)

    def _could_not(self, check: str, paths: Sequence[str], reason: str) -> None:
        for path in paths:
            if (check, path) in self._missing:
                self._missing[check, path] = reason

    def _judge(self, frames: list[Frame], natoms: int) -> Iterator[Finding]:
        """Test systems of the same elements."""
        if len(frames) < ENOUGH:
            return
        sizes = np.array([np.abs(frame.force).max() for frame in frames])
        typical = np.median(sizes[sizes > 0]) if sizes.any() else 0.0
        usual = [x for x, y in zip(frames, sizes, strict=True) if y <= OUTLYING * typical]
        frames = usual if len(usual) >= ENOUGH else frames
        wrong = yield from self._signs(frames)
        fitted = _some(frames, natoms)
        factors = np.array([-1.0 if frame.system in wrong else 1.0 for frame in fitted])
        paths = list(dict.fromkeys(frame.system for frame in frames))
        fit = pair_model.fit(fitted, factors)
        if fit is None:
            for check in (ENERGY, VIRIAL):
                self._could_not(check, paths, "all forces are zero")
            return
        if fit.explained < _EXPLAINED or fit.equations < _EQUATIONS:
            reason = "too few frames for so many elements and so few atoms"
            if fit.equations >= _EQUATIONS:
                reason = f"a pair model explains only {max(fit.explained, 0):.0%} of the forces"
                yield from self._unexplained(fitted, fit)
            for check in (ENERGY, VIRIAL):
                self._could_not(check, paths, reason)
            return
        for part in _parts(fitted):
            yield from self._compare(fitted, part, fit)

    def _signs(self, frames: list[Frame]) -> Generator[Finding, None, set[str]]:
        """Bonds; gives the systems whose forces have the wrong sign."""
        wrong: set[str] = set()
        vague: list[list[Frame]] = []
        for part in _parts(frames):
            chosen = [frames[k] for k in part]
            if not (yield from self._sign(chosen, wrong)):
                vague.append(chosen)
        if len(vague) > 1:
            # Systems that are inconclusive alone may be conclusive together.
            yield from self._sign([frame for chosen in vague for frame in chosen], wrong)
        return wrong

    def _sign(self, frames: list[Frame], wrong: set[str]) -> Generator[Finding, None, bool]:
        """Test bonds of some systems, adding wrong ones; returns whether they are conclusive."""
        paths = list(dict.fromkeys(frame.system for frame in frames))
        found = bonds.measure(frames)
        clear = abs(found.correlation) > _CLEAR and abs(found.significance) > _SURE
        if found.frames < ENOUGH:
            return False
        if not clear:
            self._could_not(SIGN, paths, "bonds of different lengths have similar forces")
            return False
        self._tested(SIGN, paths)
        if found.correlation > 0:
            wrong.update(paths)
            level = FAULT if found.significance > _MOSTLY else DOUBT
            message = (
                "forces pull atoms of short bonds together and push those of long ones "
                f"apart (correlation {found.correlation:+.2f}); it looks as if the force has "
                "the wrong sign"
            )
            yield from (Finding(level, "units", path, message) for path in paths)
        stiffness = abs(found.hydrogen)
        if stiffness < _STIFF[0] or stiffness > _STIFF[1]:
            looks = explain_force(_USUAL_STIFFNESS / stiffness, _NAMED)
            message = (
                f"bonds of H with C, N or O have a stiffness of {stiffness:.3g} eV/Å², "
                f"usually 25 to 55; {looks}"
            )
            yield from (Finding(FAULT, "units", path, message) for path in paths)
        return True

    def _unexplained(self, frames: list[Frame], fit: Fit) -> Iterator[Finding]:
        """Report forces that positions do not explain at all."""
        sizes = [float(np.sqrt(np.mean(frame.force**2))) for frame in frames]
        found = bonds.measure(frames)
        elements = {number for frame in frames for number in frame.atoms.numbers.tolist()}
        if (
            fit.explained < _UNEXPLAINED
            and np.median(sizes) > _SMALL
            and abs(found.significance) < _SURE
            and len(elements) <= FEW_ELEMENTS
        ):
            message = (
                f"a pair model explains only {max(fit.explained, 0):.0%} of the forces; do "
                "they belong to these frames, in the order of coord?"
            )
            paths = dict.fromkeys(frame.system for frame in frames)
            for path in (path for path in paths if path not in self._work.accused):
                yield Finding(DOUBT, "units", path, message)

    def _compare(self, frames: list[Frame], part: np.ndarray, fit: Fit) -> Iterator[Finding]:
        """Compare energies and virials of some frames with those expected from the forces."""
        chosen = [frames[k] for k in part]
        paths = list(dict.fromkeys(frame.system for frame in chosen))
        known = part[[np.isfinite(frame.energy) for frame in chosen]]
        energy = of_energies([frames[k] for k in known], known, fit)
        yield from self._say(ENERGY, paths, energy, chosen)
        known = part[[np.isfinite(frame.virial).all() and frame.periodic for frame in chosen]]
        yield from self._say(
            VIRIAL, paths, of_virials([frames[k] for k in known], known, fit), chosen
        )

    def _say(
        self, check: str, paths: list[str], found: Relation | None, frames: list[Frame]
    ) -> Iterator[Finding]:
        asked = [path for path in paths if (check, path) in self._missing]
        if not asked:
            return
        label = check.split()[0]
        if found is None:
            reason = f"too few frames with forces and the {label}, or the frames are all alike"
            self._could_not(check, asked, reason)
            return
        clear = abs(found.correlation) > _GOES_WITH and found.errors > _ERRORS
        clear &= found.errors * found.times > _CERTAIN
        alone = abs(found.correlation) < _ALONE or found.errors < _CHANCE
        apart = alone and found.times > _STRONG
        right = _RIGHT[0] < found.ratio < _RIGHT[1]
        if found.times < _OPEN or not (clear or apart):
            reason = f"the {label} expected from the forces is too uncertain"
            self._could_not(check, asked, reason)
            return
        self._tested(check, asked)
        if clear and right:
            return
        level = DOUBT
        if apart:
            message = f"the {label} is not consistent with the forces; does it belong to "
            message += "these frames?"
        else:
            far = found.ratio < _FAR[0] or found.ratio > _FAR[1]
            level = FAULT if far else DOUBT
            if label == "energy":
                kind, against, ratio = "force", "energy", found.ratio
            else:
                kind, against, ratio = label, "force", 1 / found.ratio
            volume = np.median([abs(frame.atoms.cell.volume) for frame in frames])
            looks = explain(
                kind,
                ratio,
                against=against,
                natoms=sorted({int(np.median([len(frame.atoms) for frame in frames]))}),
                volume=float(volume),
                within=_NAMED,
                blamed=label,
            )
            message = (
                f"the {label} changes by {found.ratio:.2g} times the amount expected from the "
                "forces; "
            )
            message += looks
        for path in asked:
            if path not in self._work.accused:
                yield Finding(level, "units", path, message)


def _some(frames: list[Frame], natoms: int) -> list[Frame]:
    """Evenly spread frames of limited size, if there are enough of them."""
    sizes = [len(frame.atoms) for frame in frames]
    count = int(np.clip(natoms / np.mean(sizes), ENOUGH + 1, len(frames)))
    count = min(count, len(frames))
    return [frames[k] for k in np.unique(np.linspace(0, len(frames) - 1, count).astype(int))]


def _parts(frames: list[Frame]) -> list[np.ndarray]:
    """Each system with enough frames, and all others together."""
    systems = np.array([frame.system for frame in frames])
    paths, counts = np.unique(systems, return_counts=True)
    large = paths[counts >= ENOUGH]
    parts = [np.flatnonzero(systems == path) for path in large]
    return [*parts, rest] if len(rest := np.flatnonzero(~np.isin(systems, large))) else parts
