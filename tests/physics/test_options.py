"""The whole kit on every option."""

from __future__ import annotations

import pytest

from deepattn.testing import check_model

from .options import OPTIONS, make_model


@pytest.mark.parametrize("name", OPTIONS)
def test_option(name: str) -> None:
    option = OPTIONS[name]
    skip = () if option.smooth else ("continuity",)
    report = check_model(make_model(option), skip=skip, **option.parameters)
    assert report.passed, f"\n{report}"


@pytest.mark.parametrize("name", [name for name, option in OPTIONS.items() if not option.smooth])
def test_jump_of_an_unsmooth_option_is_found(name: str) -> None:
    """By their definition these energies jump at the cut-off, and the check must see it."""
    option = OPTIONS[name]
    others = (
        "forces virial atom_energies translation rotation permutation supercell extensivity "
        "virtual_atoms training_gradient"
    )
    report = check_model(make_model(option), skip=others.split(), **option.parameters)
    [check] = report.checks
    assert check.error > 1e-6, str(check)
