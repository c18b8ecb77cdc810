"""Reports of ``deepattn test``: JSON, pictures, a page."""

import json
import re

import numpy as np
import pytest
from model_files import write_system

from deepattn.cli.main import main
from deepattn.infer import TestReport, error_lines, errors_by_element


@pytest.fixture
def systems(tmp_path, frames):
    """Two systems of different size; the second has no virial."""
    coords, boxes, types = frames
    return [
        write_system(tmp_path / "data" / "a", frames),
        write_system(
            tmp_path / "data" / "b", (coords[:2, :6], boxes[:2], types[:6]), absent=("virial",)
        ),
    ]


def test_elements_by_hand():
    rng = np.random.default_rng(0)
    prediction, label = rng.normal(size=(2, 3, 4, 3))
    atype = np.array([[0, 2, 2, -1], [0, 0, 2, 2], [2, 2, 2, 2]])
    errors = errors_by_element(
        {"force": prediction},
        {"force": label, "find_force": np.array([1.0, 1.0, 0.0])},
        atype=atype,
        type_map=["O", "C", "H"],
    )
    oxygen = (prediction - label)[:2][atype[:2] == 0]
    assert set(errors) == {"O", "H"}
    assert errors["O"]["rmse_f"] == (pytest.approx(np.sqrt(np.mean(oxygen**2))), 9)
    assert errors["O"]["mae_f"] == (pytest.approx(np.mean(np.abs(oxygen))), 9)
    assert errors["H"]["rmse_f"][1] == 12


def test_json_has_the_numbers_that_are_printed(capsys, attention, systems, tmp_path):
    target = tmp_path / "report.json"
    folder = str(tmp_path / "data")
    assert main(["test", "-m", str(attention.graph), "-s", folder, "--json", str(target)]) == 0
    out = capsys.readouterr().out
    found = json.loads(target.read_text())
    assert [entry["system"] for entry in found["systems"]] == [str(path) for path in systems]
    assert [entry["frames"] for entry in found["systems"]] == [3, 2]
    assert "rmse_v" in found["systems"][0] and "rmse_v" not in found["systems"][1]
    for figures in (*found["systems"], found["average"]):
        errors = {name: (figures[name], 1) for name in found["units"] if name in figures}
        assert "\n".join(error_lines(errors)) in out
    assert found["units"]["rmse_ea"] == "eV/atom" and found["units"]["mae_f"] == "eV/Å"
    # The mean square of all components is that of the elements together.
    elements = found["elements"].values()
    square = sum(e["rmse_f"] ** 2 * e["components"] for e in elements)
    total = sum(e["components"] for e in elements)
    assert total == 3 * (3 * 8 + 2 * 6)
    assert found["average"]["rmse_f"] == pytest.approx(np.sqrt(square / total))


def test_pieces_add_up_to_the_whole(monkeypatch, capsys, attention, systems, tmp_path):
    reports = []
    for chunk in (10**6, 8):
        monkeypatch.setenv("DP_TEST_CHUNK_ATOMS", str(chunk))
        target = tmp_path / f"{chunk}.json"
        arguments = ["-m", str(attention.graph), "-s", str(tmp_path / "data")]
        assert main(["test", *arguments, "--json", str(target)]) == 0
        reports.append(json.loads(target.read_text()))
    whole, pieces = reports
    for name in ("O", "H"):
        assert pieces["elements"][name] == pytest.approx(whole["elements"][name])
    assert pieces["average"] == pytest.approx(whole["average"])


def test_page_and_picture(capsys, attention, systems, tmp_path):
    page, picture = tmp_path / "report.html", tmp_path / "parity.svg"
    arguments = ["-m", str(attention.graph), "-s", str(tmp_path / "data")]
    assert main(["test", *arguments, "--html", str(page), "--plot", str(picture)]) == 0
    text = page.read_text()
    assert re.search(r'src="data:image/png;base64,[\w+/=]{1000,}"', text)
    for path in systems:
        assert f"<td>{path}</td>" in text
    assert text.count("<tr>") == (1 + 3) + (1 + 2)
    assert "<td>–</td>" in text  # the second system has no virial
    assert picture.read_text().lstrip().startswith("<?xml")
    assert not list(tmp_path.glob("*.out"))


def test_names_are_escaped():
    report = TestReport("<model>")
    report.add("a & b", 1, [({"rmse_f": (1.0, 3.0), "mae_f": (1.0, 3.0)}, {})])
    text = report.to_html()
    assert "&lt;model&gt;" in text and "<td>a &amp; b</td>" in text and "<img" not in text


def test_one_system_twice_counts_twice(capsys, attention, systems, tmp_path):
    listed = tmp_path / "list"
    listed.write_text(f"{systems[0]}\n{systems[0]}\n")
    target = tmp_path / "report.json"
    arguments = ["test", "-m", str(attention.graph), "-f", str(listed), "--json", str(target)]
    assert main(arguments) == 0
    assert len(json.loads(target.read_text())["systems"]) == 2


def test_without_labels_there_is_no_picture(capsys, attention, frames, tmp_path):
    labels = ("energy", "force", "virial", "atom_pref", "atom_ener")
    write_system(tmp_path / "data", frames, absent=labels)
    arguments = ["-m", str(attention.graph), "-s", str(tmp_path / "data")]
    assert main(["test", *arguments, "--plot", str(tmp_path / "x.png")]) == 1
    assert "no detail files with labels" in capsys.readouterr().err
    assert not (tmp_path / "x.png").exists()
