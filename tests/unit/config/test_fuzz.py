"""No mutation of a valid input raises anything but a ConfigError."""

import copy

from hypothesis import given, settings
from hypothesis import strategies as st

from deepattn.config import Config, merge_pretrained, normalize, replace_model, upgrade
from deepattn.config.tree import input_schema
from deepattn.errors import ConfigError

from .inputs import CASES, DPA1


def _names(argument):
    for field in argument.sub_fields.values():
        yield field.name
        yield from field.alias
        yield from _names(field)
    for variant in argument.sub_variants.values():
        yield variant.flag_name
        for choice in variant.choice_dict.values():
            yield from _names(choice)


_NAMES = sorted({*_names(input_schema()), *(k for case in CASES.values() for k in case), "$ref"})
_TEXTS = st.sampled_from(["auto", "auto:x", "mixed:2", "none", "silut:1", "se_e2_a", "cosine", ""])
_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from([0, 1, -1, 10**400, 2**63]),
    _TEXTS,
    st.text(max_size=5),
)
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(_NAMES) | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


@st.composite
def mutated(draw):
    data = copy.deepcopy(draw(st.sampled_from(sorted(CASES)).map(CASES.__getitem__)))
    for _ in range(draw(st.integers(1, 3))):
        node = data
        while True:
            inner = [v for v in node.values() if isinstance(v, dict)]
            if not inner or draw(st.integers(0, 3)) == 0:
                break
            node = draw(st.sampled_from(inner))
        key = draw(st.sampled_from([*node, draw(st.sampled_from(_NAMES)), 7]))
        if draw(st.booleans()) and key in node:
            del node[key]
        else:
            node[key] = draw(_VALUES)
    return data


@settings(max_examples=400, deadline=None)
@given(mutated())
def test_only_config_errors(data):
    before = repr(data)
    try:
        full = normalize(upgrade(data))
    except ConfigError as error:
        assert str(error) and "\n" not in str(error)
    else:
        config = Config.from_dict(full)
        assert config.to_dict() == full == normalize(full)
    assert repr(data) == before


@settings(max_examples=150, deadline=None)
@given(mutated(), mutated())
def test_only_config_errors_in_fine_tuning(data, script):
    for combine in (merge_pretrained, replace_model):
        for pair in ((data, script), (data, DPA1), (DPA1, script)):
            try:
                merged = combine(*pair)
                normalize(upgrade(getattr(merged, "input", merged)))
            except ConfigError:
                pass
