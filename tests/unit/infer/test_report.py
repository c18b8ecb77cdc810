"""Reports of ``deepattn test``: JSON, pictures, a page."""

import hashlib
import json
import re

import numpy as np
import pytest

from deepattn import __version__
from deepattn.cli.main import main
from deepattn.infer import PairSample, TestReport, error_lines, errors_by_element
from deepattn.infer.worst import WorstFrames
from deepattn.plots import parity

from .model_files import write_system


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
    for metrics in (*found["systems"], found["average"]):
        errors = {name: (metrics[name], 1) for name in found["units"] if name in metrics}
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
    for path in systems:
        assert f"<td>{path}</td>" in text
    # Systems, elements, frames: heads, rows, and the foot of the first.
    assert text.count("<tr>") == (1 + 2 + 1) + (1 + 2) + (1 + 5)
    assert "<td>–</td>" in text  # the second system has no virial
    digest = hashlib.sha256(attention.graph.read_bytes()).hexdigest()
    for fact in (__version__, str(attention.graph), digest, "O H", "5 of 2 systems"):
        assert f"<dd>{fact}</dd>" in text
    assert f"<title>{attention.graph.name} on 2 systems of " in text
    drawn = text[text.index("<svg") : text.index("</svg>")]
    for image in (drawn, picture.read_text()):
        assert "prefers-color-scheme: dark" in image and "currentColor" in image
        assert not re.search("#(ffffff|fff|000000|010203)", image)
    assert not re.search(r"(src|href)=\"(?!data:|#)", text)
    assert picture.read_text().lstrip().startswith("<?xml")
    assert not list(tmp_path.glob("*.out"))


def test_units_and_decimals():
    """meV/atom, meV/Å and GPa, with the points below one another."""
    report = TestReport("model.pb")
    errors = {"mae_ea": (0.0103, 2.0), "rmse_ea": (0.0103, 2.0), "rmse_s": (1 / 160.21766208, 18.0)}
    report.add("a", 2, [(errors, {})])
    report.add("b", 2, [({"mae_ea": (0.1, 2.0), "rmse_ea": (0.1, 2.0)}, {})])
    text = report.to_html()
    rows = re.findall(r"<tr>(<td>.*?)</tr>", text)
    assert rows[0] == "<td>a</td><td>2</td><td>10.3</td><td>10.3</td><td>1.00</td>"
    assert rows[1] == "<td>b</td><td>2</td><td>100.0</td><td>100.0</td><td>–</td>"
    assert "RMSE stress<br>GPa" in text and "RMSE energy<br>meV/atom" in text


def test_worst_frames_by_hand():
    rng = np.random.default_rng(3)
    label = {
        "energy": np.zeros(30),
        "force": rng.normal(size=(30, 4, 3)),
        "virial": np.zeros((30, 9)),
    }
    prediction = {name: array.copy() for name, array in label.items()}
    prediction["force"][:, 2] += 1e-3 * np.arange(30)[:, None]
    prediction["energy"][3] = -4.0
    prediction["virial"][29] = 1.0
    found = {f"find_{name}": np.ones(30) for name in label}
    found["find_force"][3] = 0
    worst = WorstFrames()
    box = np.tile(2 * np.eye(3).ravel(), (30, 1))
    types = np.tile([0, 1, 1, -1], (30, 1))
    for part in (slice(0, 13), slice(13, 30)):
        worst.add(
            "a",
            range(30)[part],
            prediction={name: array[part] for name, array in prediction.items()},
            labels={name: array[part] for name, array in {**label, **found}.items()},
            atype=types[part],
            box=box[part],
        )
    assert [row.frame for row in worst.rows[:10]] == list(range(29, 19, -1))
    first = worst.rows[0]
    assert (first.atom, first.virial) == (2, 1.0) and first.stress == pytest.approx(0.125)
    assert first.largest == pytest.approx(0.029 * np.sqrt(3))
    assert first.force == pytest.approx(0.029 / np.sqrt(3))
    (wrong,) = [row for row in worst.rows if row.frame == 3]
    assert wrong.energy == pytest.approx(-4 / 3) and np.isnan(wrong.force) and wrong.atom == -1


def test_names_are_escaped():
    report = TestReport("<model>")
    report.add("a & b", 1, [({"rmse_f": (1.0, 3.0), "mae_f": (1.0, 3.0)}, {})])
    text = report.to_html()
    assert "&lt;model&gt; on a &amp; b" in text and "<td>a &amp; b</td>" in text
    assert "<svg" not in text and "<model>" not in text


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
    page, output = tmp_path / "x.html", tmp_path / "x.json"
    assert main([*arguments, "--html", str(page), "--json", str(output)]) == 0
    assert "<svg" not in page.read_text() and json.loads(output.read_text())["average"] == {}
    assert main([*arguments, "--plot", str(tmp_path / "x.png")]) == 1
    assert "no labels to draw" in capsys.readouterr().err
    assert not (tmp_path / "x.png").exists()


def test_the_picture_gives_the_errors_of_the_table(attention, systems, tmp_path, monkeypatch):
    """Frames without a virial and virtual atoms take no part in the picture either."""
    padded = tmp_path / "data" / "c"
    write_mixed_with_virtual_atoms(padded)
    texts = []
    draw = parity.save_figure

    def save(figure, path):
        texts.extend(axes.get_legend().texts[0].get_text() for axes in figure.axes[:3])
        return draw(figure, path)

    monkeypatch.setattr(parity, "save_figure", save)
    collected = []
    monkeypatch.setattr(
        parity, "_draw_errors", lambda axes, kind, sets, styles: collected.append((kind, sets))
    )
    output = tmp_path / "x.json"
    arguments = ["test", "-m", str(attention.graph), "-s", str(tmp_path / "data")]
    assert main([*arguments, "--json", str(output), "--plot", str(tmp_path / "x.png")]) == 0
    average = json.loads(output.read_text())["average"]
    assert len(texts) == len(collected) == 3
    for (kind, sets), text in zip(collected, texts, strict=True):
        [(label, prediction)] = sets.values()
        name = {"e_peratom": "ea", "f": "f", "v_peratom": "va"}[kind]
        rmse, mae = average[f"rmse_{name}"], average[f"mae_{name}"]
        assert np.sqrt(np.mean((prediction - label) ** 2)) == pytest.approx(rmse)
        scale = 1 if rmse >= 1 else 1000
        assert text.startswith(f"RMSE {scale * rmse:.3g}, MAE {scale * mae:.3g} ")
        assert f"\n{label.size:,} " in text


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
