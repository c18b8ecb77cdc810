"""Format of ``lcurve.out`` and of the log lines, and the reader that draws it."""

import datetime

import numpy as np
import pytest
from matplotlib.figure import Figure

from deepattn.errors import DataError
from deepattn.plots.figure import COLORS
from deepattn.plots.learning_curve import _distinct_parts, plot_learning_curve, read_learning_curve
from deepattn.train.monitoring.learning_curve import (
    LearningCurve,
    Shown,
    average,
    batch_line,
    time_line,
)

TRAIN = {"rmse": 7.2, "rmse_e": 1.05, "rmse_f": 0.2273}
VALID = {"rmse": 6.83, "rmse_e": 1.02, "rmse_f": float("nan")}

# Output of DeePMD-kit 3.2.0 for these metrics.
EXPECTED = (
    "# step       rmse_val    rmse_trn    rmse_e_val  rmse_e_trn    rmse_f_val  rmse_f_trn"
    "   lr      \n"
    "# If there is no available reference data, rmse_*_{val,trn} will print nan\n"
    "      0      6.83e+00    7.20e+00      1.02e+00    1.05e+00           nan    2.27e-01"
    "    1.0e-03\n"
)


def test_lines_are_deepmds(tmp_path):
    with LearningCurve(tmp_path / "lcurve.out") as curve:
        curve.write(0, [Shown("", TRAIN, VALID)], 1e-3)
    assert (tmp_path / "lcurve.out").read_text() == EXPECTED


def test_without_validation(tmp_path):
    with LearningCurve(tmp_path / "lcurve.out") as curve:
        curve.write(100, [Shown("", TRAIN, None)], 1e-3)
    header, _, line = (tmp_path / "lcurve.out").read_text().splitlines()
    assert header == "# step       rmse_trn    rmse_e_trn    rmse_f_trn   lr      "
    assert line == "    100      7.20e+00      1.05e+00      2.27e-01    1.0e-03"


def test_a_new_run_begins_anew(tmp_path):
    for step in (3, 4):
        with LearningCurve(tmp_path / "lcurve.out") as curve:
            curve.write(step, [Shown("", TRAIN, VALID)], 1e-3)
    assert (tmp_path / "lcurve.out").read_text() == EXPECTED.replace("      0  ", "      4  ")


@pytest.mark.parametrize("torn", ["", "      6      6.8", "6" * 5000])
def test_a_resumed_run_goes_on_after_its_step(tmp_path, torn):
    """Lines after the checkpoint, and one that a kill has torn, come again as they were."""
    whole, path = tmp_path / "whole.out", tmp_path / "lcurve.out"
    with LearningCurve(whole) as curve:
        for step in range(0, 10, 2):
            curve.write(step, [Shown("", TRAIN, VALID)], 1e-3)
    path.write_text("".join(whole.read_text().splitlines(keepends=True)[:-1]) + torn)
    with LearningCurve(path, after=4) as curve:
        for step in (6, 8):
            curve.write(step, [Shown("", TRAIN, VALID)], 1e-3)
    assert path.read_text() == whole.read_text()


def test_a_resumed_run_with_other_columns_has_a_header_of_its_own(tmp_path):
    path = tmp_path / "lcurve.out"
    with LearningCurve(path) as curve:
        curve.write(0, [Shown("", TRAIN, None)], 1e-3)
    with LearningCurve(path, after=0) as curve:
        curve.write(1, [Shown("", TRAIN, VALID)], 1e-3)
    assert path.read_text().count("# step") == 2


def test_average_weighs_with_atoms():
    combined = average([({"rmse": 1.0}, 10), ({"rmse": 4.0}, 20)])
    assert combined == {"rmse": pytest.approx(3.0)}
    assert np.isnan(average([({"rmse": 1.0}, 1), ({"rmse": np.nan}, 1)])["rmse"])


def test_log_lines():
    assert batch_line(10, "trn", TRAIN, 1.78e-4) == (
        "Batch      10: trn: rmse = 7.20e+00, rmse_e = 1.05e+00, rmse_f = 2.27e-01, lr = 1.78e-04"
    )
    assert batch_line(10, "val", {"rmse": 3.4}) == "Batch      10: val: rmse = 3.40e+00"
    now = datetime.datetime(2026, 1, 1, 23, 59, 58)
    assert time_line(10, 1.678, 5.9, now) == (
        "Batch      10: total wall time = 1.68 s, eta = 0:00:05 at 2026-01-02 00:00"
    )


def test_reader_joins_restarts(tmp_path):
    """Files of DeePMD-kit have a second header there, and repeat steps."""
    path = tmp_path / "lcurve.out"
    texts = []
    for first in (0, 2):
        with LearningCurve(path) as curve:
            for step in (first, first + 1, first + 2):
                curve.write(step, [Shown("", {"rmse": 10.0 * first + step}, None)], 1e-3)
        texts.append(path.read_text())
    path.write_text("".join(texts))
    curve = read_learning_curve(path)
    np.testing.assert_array_equal(curve["step"], [0, 1, 2, 3, 4])
    np.testing.assert_array_equal(curve["rmse_trn"], [0, 1, 22, 23, 24])


def write_curve(path, count, scale=1.0):
    path.parent.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    with LearningCurve(path) as curve:
        for step in range(count):
            errors = {name: scale * value * rng.uniform(1, 2) for name, value in TRAIN.items()}
            curve.write(step, [Shown("", errors, errors)], 1e-3 * 0.9**step)
    return path


@pytest.fixture
def figures(monkeypatch):
    """The figures that are saved."""
    found = []
    saved = Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda self, *a, **k: (found.append(self), saved(self, *a, **k))[1]
    )
    return found


def test_picture(tmp_path, figures):
    path = write_curve(tmp_path / "lcurve.out", 5)
    picture = plot_learning_curve(path, tmp_path / "curve.png")
    assert picture.read_bytes().startswith(b"\x89PNG")
    *_, rate = panels = figures[0].axes
    assert [axes.get_ylabel() for axes in panels] == [
        "RMSE of energy (eV/atom)",
        "RMSE of force (eV/Å)",
        "learning rate",
    ]
    np.testing.assert_allclose(rate.lines[0].get_ydata(), 1e-3 * 0.9 ** np.arange(5), rtol=0.05)
    # Less than a decade: no more than a few numbers at the axis, all of one form.
    texts = [text.get_text() for text in panels[0].get_yticklabels(which="both")]
    assert 2 <= len(list(filter(None, texts))) <= 8 and not any("×" in text for text in texts)


def test_long_curves_have_a_running_mean(tmp_path, figures):
    path = write_curve(tmp_path / "lcurve.out", 200)
    plot_learning_curve(path, tmp_path / "curve.png")
    faint, mean, *_ = figures[0].axes[0].lines
    assert faint.get_alpha() < 0.5 and mean.get_alpha() is None
    raw = read_learning_curve(path)["rmse_e_trn"]
    np.testing.assert_array_equal(faint.get_ydata(), raw)
    np.testing.assert_allclose(
        mean.get_ydata()[[0, 100, 199]], [raw[:3].mean(), raw[98:103].mean(), raw[197:].mean()]
    )


def test_runs_share_a_picture(tmp_path, figures):
    paths = [write_curve(tmp_path / name / "lcurve.out", 5) for name in ("a", "$b$", "c")]
    plot_learning_curve(paths, tmp_path / "curve.svg")
    (figure,) = figures
    texts = [text.get_text() for text in figure.legends[0].texts]
    assert texts[:3] == ["a training", "a validation", r"\$b\$ training"]
    lines = figure.axes[0].lines
    assert [line.get_color() for line in lines] == [c for c in COLORS[:3] for _ in range(2)]
    assert [line.get_color() for line in figure.axes[-1].lines] == list(COLORS[:3])


def test_runs_with_other_columns(tmp_path, figures):
    """One learns forces alone, one has nothing but a learning rate that can be drawn."""
    forces = tmp_path / "forces.out"
    with LearningCurve(forces) as curve:
        curve.write(1, [Shown("", {"rmse": 1.0, "rmse_f": 0.5}, None)], 1e-3)
    rate = tmp_path / "rate.out"
    rate.write_text("# step loss lr\n1 0.5 1e-3\n2 0.4 1e-3\n")
    paths = [forces, rate, write_curve(tmp_path / "both" / "both.out", 5)]
    plot_learning_curve(paths, tmp_path / "curve.png")
    texts = {text.get_text() for text in figures[0].legends[0].texts}
    assert len(texts) == 3
    assert any("forces" in text for text in texts)


def test_more_runs_than_colors_are_refused(tmp_path):
    path = write_curve(tmp_path / "lcurve.out", 5)
    with pytest.raises(DataError, match="9 curves: at most 8"):
        plot_learning_curve([path] * 9, tmp_path / "curve.png")


def test_runs_are_called_by_what_differs():
    assert _distinct_parts(["x/a/l.out", "x/b/l.out"]) == ["a", "b"]
    assert _distinct_parts(["a.out", "b.out"]) == ["a.out", "b.out"]
    assert _distinct_parts(["l.out", "x/l.out"]) == ["l.out", "x/l.out"]
    assert _distinct_parts(["l.out"]) == [""]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# step rmse_trn lr\n", "no line"),
        ("# step rmse_trn lr\n1 2\n", "line 2"),
        ("1 2 3\n", "line 1"),
        ("# step rmse_trn lr\n1 2 x\n", "line 2"),
        ("# step rmse_trn lr\n1 2 3\n# step rmse_val rmse_trn lr\n", "columns"),
    ],
)
def test_broken_curves_are_named(tmp_path, text, message):
    path = tmp_path / "lcurve.out"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_learning_curve(path)
