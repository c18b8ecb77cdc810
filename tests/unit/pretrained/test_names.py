"""Names of published models wherever a model file is expected; catalogs of other packages."""

import hashlib
import json
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from small_models import model_section, small_batch, small_model

import deepattn
from deepattn import registry
from deepattn.cli.main import main
from deepattn.config import normalize_model
from deepattn.distill.potential import open_teacher
from deepattn.errors import ConfigError, ModelFileError
from deepattn.export import freeze
from deepattn.infer import DeepPot
from deepattn.models import find_model, open_model_file
from deepattn.pretrained import (
    CATALOGS,
    PublishedModel,
    cache_folder,
    download,
    find_published,
    near_names,
    published_models,
)
from deepattn.pretrained.cache import place_of
from deepattn.pretrained.published import Published
from deepattn.train.pretrained import Pretrained


@pytest.fixture(scope="module")
def graph(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("graph") / "model.pb"
    freeze(small_model(), path, training_script={"model": normalize_model(model_section())})
    return path.read_bytes()


@pytest.fixture
def installed(publish, cache, graph, tmp_path, monkeypatch) -> PublishedModel:
    """A small model that has been downloaded, in an empty folder."""
    model = publish(content=graph, file="tiny.pb", urls=("https://example.org/x",))
    copy = tmp_path / "copy.pb"
    copy.write_bytes(graph)
    download("Tiny-1", from_file=copy)
    copy.unlink()
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    return model


@pytest.mark.parametrize("name", ["Tiny-1", "tiny-1"])
def test_a_name_stands_for_the_file(installed, name):
    path = place_of(installed)
    assert find_model(name) == path
    assert open_model_file(name).type_map() == ["O", "H"]
    assert Pretrained(name).single(None).mode == "finetune"
    assert open_teacher(name).elements == ("O", "H")
    inputs, _ = small_batch()
    arguments = (inputs["coord"], inputs["box"], inputs["atype"])
    expected = DeepPot(path).eval(*arguments)
    for found, wanted in zip(DeepPot(name).eval(*arguments), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
    water = Atoms("OH", [[0, 0, 0], [0, 0, 1]], calculator=deepattn.DP(name))
    assert np.isfinite(water.get_potential_energy())


def test_commands(installed, capsys):
    assert main(["show", "Tiny-1", "type-map"]) == 0
    assert main(["change-bias", "Tiny-1", "-b", "1", "2"]) == 0
    out = capsys.readouterr().out
    assert "['O', 'H']" in out and "written to tiny_updated.pb" in out
    assert [path.name for path in Path().iterdir()] == ["tiny_updated.pb"]
    assert not place_of(installed).with_name("tiny_updated.pb").exists()


@pytest.mark.parametrize("other", ["Tiny-1", "Tiny-1.pb", "Tiny-1.h5"])
def test_a_path_wins(installed, graph, other):
    Path(other).write_bytes(graph)
    assert find_model("Tiny-1") == Path(other)


def test_a_folder_wins(installed):
    Path("Tiny-1").mkdir()
    with pytest.raises(ModelFileError, match="Tiny-1: the folder has no file 'checkpoint'"):
        find_model("Tiny-1")


def test_a_path_is_no_name(installed):
    with pytest.raises(ModelFileError, match="no such checkpoint"):
        find_model("models/Tiny-1")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("DPA-2.4-7M", "has not been downloaded; run 'deepattn pretrained download DPA-2.4-7M'$"),
        ("oc_10m", "OC_10M: .* download it from https://www.aissquare.* --from-file FILE'$"),
        ("Tiny-2", r"no such checkpoint.*; did you mean the published model Tiny-1\?$"),
        ("OC2M", r"did you mean the published model DPA-1-OC2M\?$"),
        ("DPA-2.4-7M.pt", r"no such file; did you mean the published model DPA-2.4-7M\?$"),
        ("models/OC_10M.pb", r"did you mean the published model OC_10M\?$"),
        ("absent.pb", "absent.pb: there is no such file$"),
        ("absent", "neither this file nor absent.h5 exists$"),
    ],
)
def test_names_that_cannot_be_opened(installed, name, message):
    with pytest.raises(ModelFileError, match=message):
        find_model(name)


def test_a_damaged_file_is_not_opened(installed, graph):
    place_of(installed).write_bytes(graph[:-1] + b"\0")
    with pytest.raises(ModelFileError, match=r"tiny.pb: is not the file of Tiny-1: its SHA-256"):
        find_model("Tiny-1")


def test_list_and_info(installed, capsys):
    assert main(["pretrained", "list"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["name", "branches", "size", "file", "license"]
    assert [row.split()[0] for row in rows] == ["DPA-2.4-7M", "DPA-1-OC2M", "OC_10M", "Tiny-1"]
    assert "downloaded" in rows[3] and "by hand" in rows[2] and "37" in rows[0]
    assert main(["pretrained", "list", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 4
    assert main(["pretrained", "info", "tiny-1"]) == 0
    out = capsys.readouterr().out
    assert f"downloaded   {place_of(installed)}\n" in out and installed.sha256 in out
    assert main(["pretrained", "info", "dpa-1-oc2m", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["size"] == 3420253 and len(facts["elements"]) == 57 and not facts["downloaded"]
    assert main(["pretrained", "info", "OC2M"]) == 1
    assert "did you mean DPA-1-OC2M?" in capsys.readouterr().err


def test_download_prints_the_path_alone(installed, capsys):
    assert main(["pretrained", "download", "Tiny-1"]) == 0
    assert capsys.readouterr().out == f"{place_of(installed)}\n"


def test_the_folder_of_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("DEEPATTN_CACHE", "/scratch/models")
    assert cache_folder() == Path("/scratch/models")
    monkeypatch.setenv("DEEPATTN_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "deepattn"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert cache_folder() == Path("/home/somebody/.cache/deepattn")

    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(ConfigError, match=r"there is no home folder.*DEEPATTN_CACHE"):
        cache_folder()


FACTS = {"file": "x.pb", "description": "", "page": "", "license": "", "cite": ()}


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"name": "../x"}, "'../x' is no name of a file"),
        ({"name": ".hidden"}, "is no name of a file"),
        ({"name": "x", "file": "a/b"}, "'a/b' is no name of a file"),
        ({"name": "x", "sha256": "ABC"}, "sha256 is 'ABC'; give 64 hexadecimal digits"),
        ({"name": "x", "urls": ("https://x.org/y",)}, "has no sha256"),
        ({"name": "x", "sha256": "0" * 64, "urls": ("http://x.org/y",)}, "is not https"),
        ({"name": "x", "sha256": "0" * 64, "urls": ("ftp://x.org/y",)}, "is not https"),
        ({"name": "x", "sha256": "0" * 64, "urls": ("https://[x",)}, "is not https"),
    ],
)
def test_malformed_models(facts, message):
    with pytest.raises(ConfigError, match=message):
        PublishedModel(**(FACTS | facts))


class Others(Published):
    """A catalog of another package."""

    models = (PublishedModel(name="Theirs", **FACTS),)


class Same(Published):
    """A catalog with a name that is taken."""

    models = (PublishedModel(name="dpa-2.4-7m", **FACTS),)


@pytest.fixture
def packages(monkeypatch):
    """A function that installs packages with catalogs."""

    def install(**catalogs: str) -> None:
        points = [
            EntryPoint(name, value, "deepattn.pretrained") for name, value in catalogs.items()
        ]
        monkeypatch.setattr(registry, "entry_points", lambda group: points)
        monkeypatch.setattr(CATALOGS, "_points", None)
        monkeypatch.setattr(CATALOGS, "_classes", {})

    return install


def test_catalogs_of_other_packages(packages, caplog):
    packages(theirs=f"{__name__}:Others", broken="no_such_package:Models")
    assert find_published("theirs").name == "Theirs"
    assert "the catalog of models 'broken' of no_such_package:Models cannot be" in caplog.text
    packages(theirs=f"{__name__}:Same")
    with pytest.raises(ConfigError, match=r"dpa-2.4-7m is in the catalogs deepattn and theirs"):
        published_models()


def test_near_names():
    assert near_names("dpa-2.4-7m-patched-mt.pt") == ["DPA-2.4-7M"]
    assert near_names("x") == []


def test_the_graph_of_the_catalog(shared, cache):
    """The checksum is that of the file that the authors' repository has."""
    model = find_published("DPA-1-OC2M")
    path = shared / "pretrained" / "oc2m_se_atten_f32.pb"
    content = path.read_bytes()
    # As git names the content; the URL names the commit whose tree has it at this path.
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    assert blob == "b4b6190afb686fb486715073917c013ea36a5ba9"
    assert find_model(download(model.name, from_file=path)) == place_of(model)
    assert open_model_file("dpa-1-oc2m").type_map() == list(model.elements)
