"""The whole kit on every option."""

from __future__ import annotations

import pytest

from deepattn.config import ModelConfig
from deepattn.testing import CHECKS, check_model

from .options import OPTIONS, make_model, model_section

VIOLATIONS = [(name, law) for name, option in OPTIONS.items() for law in option.violates]


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIONS)
def test_option(name: str) -> None:
    option = OPTIONS[name]
    report = check_model(make_model(option), skip=option.violates, **option.parameters)
    assert report.passed, f"\n{report}"


@pytest.mark.parametrize("name", OPTIONS)
def test_the_input_says_whether_energies_jump(name: str) -> None:
    descriptor = ModelConfig.from_dict(model_section(OPTIONS[name])).descriptor
    assert (descriptor.jump is not None) == ("continuity" in OPTIONS[name].violates)


@pytest.mark.parametrize(("name", "law"), VIOLATIONS)
def test_violation_of_the_formula_is_found(name: str, law: str) -> None:
    """The check must find violations that are part of DeePMD-kit's definition."""
    option = OPTIONS[name]
    skip = [other for other in CHECKS if other != law]
    report = check_model(make_model(option), skip=skip, **option.parameters)
    assert not any(report.checks), f"\n{report}"
