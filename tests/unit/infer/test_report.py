"""Reports of ``deepattn test``: JSON, pictures, a page."""

import json
import re

import numpy as np
import pytest
from model_files import write_system

from deepattn.cli.main import main
from deepattn.infer import PairSample, TestReport, error_lines, errors_by_element
from deepattn.plots import parity


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
    arguments = ["test", "-m", str(attention.graph), "-s", str(tmp_path / "data")]
    page, figures = tmp_path / "x.html", tmp_path / "x.json"
    assert main([*arguments, "--html", str(page), "--json", str(figures)]) == 0
    assert "<img" not in page.read_text() and json.loads(figures.read_text())["average"] == {}
    assert main([*arguments, "--plot", str(tmp_path / "x.png")]) == 1
    assert "no labels to draw" in capsys.readouterr().err
    assert not (tmp_path / "x.png").exists()


def test_titles_are_the_errors_of_the_table(attention, systems, tmp_path, monkeypatch):
    """Frames without a virial and virtual atoms take no part in the picture either."""
    padded = tmp_path / "data" / "c"
    write_mixed_with_virtual_atoms(padded)
    titles = []
    draw = parity.save_figure
    monkeypatch.setattr(
        parity,
        "save_figure",
        lambda figure, path: (
            titles.extend(filter(None, (axes.get_title() for axes in figure.axes))),
            draw(figure, path),
        ),
    )
    collected = []
    monkeypatch.setattr(
        parity, "_draw_errors", lambda axes, kind, sets: collected.append((kind, sets))
    )
    figures = tmp_path / "x.json"
    arguments = ["test", "-m", str(attention.graph), "-s", str(tmp_path / "data")]
    assert main([*arguments, "--json", str(figures), "--plot", str(tmp_path / "x.png")]) == 0
    average = json.loads(figures.read_text())["average"]
    assert len(titles) == len(collected) == 3
    for kind, sets in collected:
        [(label, prediction)] = sets.values()
        name = {"e_peratom": "rmse_ea", "f": "rmse_f", "v_peratom": "rmse_va"}[kind]
        assert np.sqrt(np.mean((prediction - label) ** 2)) == pytest.approx(average[name])


def write_mixed_with_virtual_atoms(folder):
    rng = np.random.default_rng(5)
    sets = folder / "set.000"
    sets.mkdir(parents=True)
    (folder / "type.raw").write_text("0 0 0 0 0")
    (folder / "type_map.raw").write_text("O H")
    np.save(sets / "real_atom_types.npy", np.array([[0, 1, 1, -1, -1]], np.int32))
    np.save(sets / "coord.npy", rng.uniform(0, 4, (1, 15)))
    np.save(sets / "box.npy", 6 * np.eye(3).reshape(1, 9))
    np.save(sets / "energy.npy", np.array([-5.0]))
    np.save(sets / "force.npy", rng.normal(size=(1, 15)))


def test_sample_is_bounded_and_fair(monkeypatch):
    monkeypatch.setattr("deepattn.infer.pairs._KEPT", 1000)
    sample = PairSample()
    for number in range(20):
        frames = {
            "energy": np.zeros(5),
            "force": np.full((5, 40, 3), float(number)),
            "virial": np.zeros((5, 9)),
        }
        labels = {**frames, "find_energy": np.ones(5), "find_force": np.ones(5)}
        labels["find_virial"] = np.zeros(5)
        sample.add(
            prediction=frames, labels=labels, atype=np.zeros((5, 40), np.int32), box=np.eye(9)[:5]
        )
    assert set(sample.pairs) == {"e_peratom", "f"}
    label, prediction = sample.pairs["f"]
    assert len(label) == 1000
    np.testing.assert_array_equal(label, prediction)
    assert np.bincount(label.astype(int), minlength=20).min() > 20


@pytest.mark.parametrize("option", ["--json", "--html", "--plot", "-d"])
def test_targets_are_checked_first(attention, tmp_path, capsys, option):
    target = str(tmp_path / "absent" / "x.png")
    arguments = ["test", "-m", str(attention.graph), "-s", str(tmp_path / "none")]
    assert main([*arguments, option, target]) == 1
    assert "there is no such folder to write to" in capsys.readouterr().err
