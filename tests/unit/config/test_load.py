"""Reading input files."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deepattn import limits
from deepattn.config import load_input
from deepattn.errors import ConfigError


def test_json_without_comments(tmp_path):
    path = tmp_path / "input.json"
    path.write_text('{"_c": 1, "_c": 2, "model": {"_n": {}, "a": [{"_x": 0, "y": 1}]}}')
    assert load_input(path) == {"model": {"a": [{"y": 1}]}}


@pytest.mark.parametrize("suffix", ["yaml", "yml"])
def test_yaml_numbers_and_anchors(tmp_path, suffix):
    path = tmp_path / f"input.{suffix}"
    path.write_text(
        "_common: &common {seed: 1}\n"
        "model:\n  <<: *common\n  precision: default\n"
        "learning_rate: {start_lr: 1e-3, stop_lr: 5.0e-8, name: 1e}\n"
    )
    assert load_input(path) == {
        "model": {"seed": 1, "precision": "default"},
        "learning_rate": {"start_lr": 1e-3, "stop_lr": 5e-8, "name": "1e"},
    }


LAUGHS = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)
MERGES = "a0: &a0 {k: 1}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{','.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 10)
)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.toml", "", "must end in .json, .yaml or .yml"),
        ("a.json", '{\n "a": 1,\n}', "not valid JSON: .* at line 3, column 1"),
        ("a.json", "", "not valid JSON: .* at line 1, column 1"),
        ("a.json", '{"a": {"b": 1, "b": 2}}', "has the key 'b' twice"),
        ("a.json", '{"a": NaN}', "contains NaN"),
        ("a.json", "[1]", "must contain a mapping .* not a list"),
        ("a.json", "null", "not nothing"),
        ("a.json", "[" * 100000, "nested too deeply"),
        ("a.yaml", "a: 1\nb: [", "not valid YAML: .* at line 2"),
        ("a.yaml", "a: 1\na: 2\n", "key 'a' is given twice at line 2, column 1"),
        ("a.yaml", "a: \x00", "not valid YAML"),
        ("a.yaml", "a: !!python/object:os.system x", "not valid YAML: could not determine"),
        ("a.yaml", "", "not nothing"),
        ("a.yaml", LAUGHS, "repeats parts of itself without end"),
        ("a.yaml", MERGES, "repeats parts of itself without end"),
        ("a.yaml", "model: &a [*a]", "holds itself"),
        ("a.yaml", "model: &a {<<: *a}", "holds itself"),
        ("a.yaml", '{"model":' + "[" * 80 + "]" * 80 + "}", "nested too deeply"),
        ("a.json", '{"model":' + "[" * 600 + "]" * 600 + "}", "nested too deeply"),
        ("a.yaml", "seed: 1" + ":59" * 400_000, "a number of 1200001 characters"),
        ("a.yaml", "seed: 0x" + "f" * 1_000_000, "a number of 1000002 characters"),
        ("a.json", '{"seed": 1' + "0" * 200 + "}", "a number of 201 characters"),
    ],
)
def test_bad_files(tmp_path, name, text, expected):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ConfigError, match=expected) as caught:
        load_input(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_as_large_as_no_input_is(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "JSON_BYTES", 1 << 20)
    path = tmp_path / "a.json"
    path.write_text("[" + " " * (1 << 20))
    with pytest.raises(ConfigError, match=r"a\.json: is larger than 1 MB"):
        load_input(path)


def test_repetitions_that_people_write(tmp_path):
    path = tmp_path / "a.yaml"
    names = ", ".join(f"data/system.{n}" for n in range(500))
    path.write_text(f"_s: &s [{names}]\n" + "".join(f"k{n}: *s\n" for n in range(100)))
    assert len(load_input(path)["k99"]) == 500


def test_unreadable(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.json: cannot be read: No such file"):
        load_input(tmp_path / "none.json")
    path = tmp_path / "binary.json"
    path.write_bytes(b"{\xff}")
    with pytest.raises(ConfigError, match=r"not UTF-8 text \(byte 1\)"):
        load_input(path)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.one_of(st.binary(max_size=60), st.text("{}[]:,\"'\n -&*!a1_<%@|>#?", max_size=40)))
def test_any_content_loads_or_is_a_config_error(tmp_path, content):
    for suffix in ("json", "yaml"):
        path = tmp_path / f"input.{suffix}"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        try:
            assert isinstance(load_input(path), dict)
        except ConfigError as error:
            assert str(path) in str(error)


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("a.yaml", "model: {1: 2}", "model has the key 1, which is no text"),
        ("a.yaml", "on: 2", "the input has the key True"),
        (
            "a.yaml",
            "model: {shared_dict: {5: [O]}, model_dict: {}}",
            "model/shared_dict has the key",
        ),
        ("a.json", '{"training": {"save_ckpt": "a\\u0000b"}}', r"training/save_ckpt is 'a\x00b'"),
        ("a.json", '{"model": {"type_map": ["O", "\\ud800"]}}', r"model/type_map is '\ud800'"),
        ("a.json", '{"model": {"x\\u0000": 1}}', r"a key of model is 'x\x00'"),
        ("a.json", '{"training": {"seed": 1%s}}' % ("0" * 29), "training/seed is 100000"),
        ("a.yaml", "training: {seed: -0x%s}" % ("f" * 40), "training/seed is -"),
        ("a.json", '{"training": {"numb_steps": %s}}' % ("9" * 4000), "4000 characters"),
        ("a.yaml", "training: {numb_steps: %s}" % ("9" * 4000), "4000 characters"),
    ],
)
def test_values_that_nothing_can_hold(tmp_path, name, text, named):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        load_input(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ") and named in message and len(message) < 250 + len(name)
    assert message.isprintable()
