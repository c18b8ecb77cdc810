"""Parity plots from detail files."""

import re

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from deepattn.errors import DataError
from deepattn.plots.figure import plain
from deepattn.plots.parity import plot_parity, read_parity


@pytest.fixture
def details(tmp_path):
    """Detail files of three frames of two atoms, as ``deepattn test -d`` lays them out."""
    rng = np.random.default_rng(1)
    energy = rng.normal(size=(3, 2))
    force = rng.normal(size=(6, 6))
    np.savetxt(tmp_path / "run.e_peratom.out", energy, header="sys: data_e pred_e")
    np.savetxt(tmp_path / "run.f.out", force, header="sys: data_fx …")
    np.savetxt(tmp_path / "run.v_peratom.out", np.zeros((3, 18)))
    return tmp_path / "run", energy, force


def test_reads_labels_and_predictions(details):
    prefix, energy, force = details
    label, prediction = read_parity(prefix, "e_peratom")
    np.testing.assert_array_equal(label, energy[:, 0])
    np.testing.assert_array_equal(prediction, energy[:, 1])
    label, prediction = read_parity(prefix, "f")
    np.testing.assert_array_equal(label, force[:, :3].ravel())
    np.testing.assert_array_equal(prediction, force[:, 3:].ravel())


def test_data_without_virials_have_no_virial_panel(details):
    assert read_parity(details[0], "v_peratom") is None


@pytest.fixture
def drawn(monkeypatch):
    """All text of the figures that are saved, and how many points their densities are of."""
    texts, dense = [], []
    saved, hexbin = Figure.savefig, Axes.hexbin

    def save(self, *args, **keys):
        texts.extend(text.get_text() for text in self.findobj(Text) if text.get_text())
        return saved(self, *args, **keys)

    def count(self, x, y, **keys):
        dense.append(len(x))
        return hexbin(self, x, y, **keys)

    monkeypatch.setattr(Figure, "savefig", save)
    monkeypatch.setattr(Axes, "hexbin", count)
    return texts, dense


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_the_errors_are_given(details, ending, drawn):
    prefix, energy, force = details
    picture = plot_parity([prefix], prefix.with_name(f"parity.{ending}"))
    assert picture.stat().st_size > 1000
    texts, dense = drawn
    for values, unit, counted in (
        (energy, "eV/atom", "3 frames"),
        (force.reshape(6, 2, 3).swapaxes(1, 2).reshape(-1, 2), "eV/Å", "18 components"),
    ):
        error = values[:, 1] - values[:, 0]
        rmse, mae = np.sqrt(np.mean(error**2)), np.abs(error).mean()
        scale, prefix = (1, "") if rmse >= 1 else (1000, "m")
        first = f"RMSE {scale * rmse:.3g}, MAE {scale * mae:.3g} {prefix}{unit}\n"
        assert any(text.startswith(first + counted) for text in texts)
    assert "run" in texts and not dense


def write_forces(prefix, count, rng):
    force = rng.normal(size=(count, 3))
    np.savetxt(f"{prefix}.f.out", np.hstack([force, force + 0.1 * rng.normal(size=force.shape)]))


def test_many_points_are_drawn_as_their_density(tmp_path, drawn):
    rng = np.random.default_rng(2)
    write_forces(tmp_path / "many", 3400, rng)
    write_forces(tmp_path / "few", 20, rng)
    plot_parity([tmp_path / "many", tmp_path / "few"], tmp_path / "x.png")
    texts, dense = drawn
    assert dense == [3 * 3400]
    assert "many" in texts and "few" in texts


def test_large_energies_are_drawn_less_their_mean(tmp_path, drawn):
    energy = -654.25 + 0.01 * np.arange(6).reshape(3, 2)
    np.savetxt(tmp_path / "x.e_peratom.out", energy)
    plot_parity([tmp_path / "x"], tmp_path / "x.png")
    assert "energy − mean (−654.230), label (eV/atom)" in drawn[0]


@pytest.mark.parametrize("name", [r"$\frac$", "a_$x$_$", "_hidden", "a\nb", r"\$5"])
def test_names_are_drawn_as_they_are(tmp_path, name, drawn):
    for prefix in (tmp_path / name, tmp_path / "other"):
        write_forces(prefix, 5, np.random.default_rng(2))
    plot_parity([tmp_path / name], tmp_path / "x.svg")
    plot_parity([tmp_path / name, tmp_path / "other"], tmp_path / "x.png")
    assert drawn[0].count(plain(name)) == 2


def test_an_svg_takes_the_colors_of_the_reader(details):
    """Text and axes have the color of the page, and there is no background."""
    prefix = details[0]
    text = plot_parity([prefix], prefix.with_name("parity.svg")).read_text()
    assert "@media (prefers-color-scheme: dark)" in text and "currentColor" in text
    assert not re.search("#(ffffff|fff|000000|010203)", text)
    assert text == plot_parity([prefix], prefix.with_name("parity.svg")).read_text()


def test_no_detail_files(tmp_path):
    with pytest.raises(DataError, match=r"absent.*deepattn test -d"):
        plot_parity([tmp_path / "absent"], tmp_path / "parity.png")
    assert not list(tmp_path.iterdir())


def test_file_of_another_kind(details):
    prefix = details[0]
    np.savetxt(prefix.with_suffix(".f.out"), np.ones((4, 5)))
    with pytest.raises(DataError, match=r"run\.f\.out: found 4 lines of 5 numbers"):
        read_parity(prefix, "f")


def test_file_that_is_cut(details):
    path = details[0].with_suffix(".f.out")
    text = path.read_text()
    path.write_text(text[: len(text) - 40])
    with pytest.raises(DataError, match=r"run\.f\.out: not a table"):
        read_parity(details[0], "f")


def test_unknown_ending_writes_nothing(details, tmp_path):
    with pytest.raises(DataError, match=r"parity\.xyz: unknown picture format"):
        plot_parity([details[0]], tmp_path / "parity.xyz")
    assert not (tmp_path / "parity.xyz").exists()


def test_too_many_sets(details):
    with pytest.raises(DataError, match="5 sets: a picture shows between 1 and 4"):
        plot_parity([details[0]] * 5, "parity.png")
