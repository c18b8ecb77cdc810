"""Parity plots from detail files."""

import numpy as np
import pytest

from deepattn.errors import DataError
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


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_titles_give_the_errors(details, ending, monkeypatch):
    from matplotlib.figure import Figure

    prefix, energy, _ = details
    titles = []
    saved = Figure.savefig
    monkeypatch.setattr(
        Figure,
        "savefig",
        lambda self, *args, **keys: (
            titles.extend(filter(None, (axes.get_title() for axes in self.axes))),
            saved(self, *args, **keys),
        ),
    )
    picture = plot_parity([prefix], prefix.with_name(f"parity.{ending}"))
    assert picture.stat().st_size > 1000
    error = np.sqrt(np.mean((energy[:, 1] - energy[:, 0]) ** 2))
    assert len(titles) == 2
    assert f"{error:.3g} eV/atom" in titles[0] or f"{1000 * error:.3g} meV/atom" in titles[0]


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
    with pytest.raises(DataError, match=r"parity\.xyz: no picture ends like this"):
        plot_parity([details[0]], tmp_path / "parity.xyz")
    assert not (tmp_path / "parity.xyz").exists()


def test_too_many_sets(details):
    with pytest.raises(DataError, match="5 sets: between 1 and 4"):
        plot_parity([details[0]] * 5, "parity.png")
