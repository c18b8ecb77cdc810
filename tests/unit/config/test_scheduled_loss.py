"""Prefactors that follow the learning rate."""

import pytest

from deepattn.config import normalize
from deepattn.errors import ConfigError

from .inputs import DPA1, DPA2, changed


@pytest.mark.parametrize(("start", "limit"), [(0, 1), (0.02, 0)])
def test_one_prefactor_at_zero_is_of_one_backend(start, limit):
    """DeePMD-kit's TensorFlow backend has the term, its PyTorch backend leaves it out."""
    given = {"start_pref_v": start, "limit_pref_v": limit}
    one, other = (changed(data, "loss", {**data.get("loss", {}), **given}) for data in (DPA1, DPA2))
    assert normalize(one)["loss"]["limit_pref_v"] == limit
    with pytest.raises(ConfigError, match=rf"start_pref_v is {start:g} and .* is {limit:g}; with"):
        normalize(other)


def test_a_hessian_needs_one_prefactor():
    loss = {**DPA2.get("loss", {}), "start_pref_h": 0, "limit_pref_h": 1}
    assert normalize(changed(DPA2, "loss", loss))["loss"]["limit_pref_h"] == 1
