"""Format of ``lcurve.out`` and of the log lines, and the reader that draws it."""

import datetime

import numpy as np
import pytest

from deepattn.errors import DataError
from deepattn.plots.learning_curve import plot_learning_curve, read_learning_curve
from deepattn.train.learning_curve import LearningCurve, Shown, average, batch_line, time_line

TRAIN = {"rmse": 7.2, "rmse_e": 1.05, "rmse_f": 0.2273}
VALID = {"rmse": 6.83, "rmse_e": 1.02, "rmse_f": float("nan")}

# What DeePMD-kit 3.2.0 writes for these figures.
EXPECTED = (
    "# step       rmse_val    rmse_trn    rmse_e_val  rmse_e_trn    rmse_f_val  rmse_f_trn"
    "   lr      \n"
    "# If there is no available reference data, rmse_*_{val,trn} will print nan\n"
    "      0      6.83e+00    7.20e+00      1.02e+00    1.05e+00           nan    2.27e-01"
    "    1.0e-03\n"
)


def test_lines_are_the_peers(tmp_path):
    with LearningCurve(tmp_path / "lcurve.out") as curve:
        curve.write(0, [Shown("", TRAIN, VALID)], 1e-3)
    assert (tmp_path / "lcurve.out").read_text() == EXPECTED


def test_without_validation(tmp_path):
    with LearningCurve(tmp_path / "lcurve.out") as curve:
        curve.write(100, [Shown("", TRAIN, None)], 1e-3)
    header, _, line = (tmp_path / "lcurve.out").read_text().splitlines()
    assert header == "# step       rmse_trn    rmse_e_trn    rmse_f_trn   lr      "
    assert line == "    100      7.20e+00      1.05e+00      2.27e-01    1.0e-03"


def test_new_run_truncates_and_restart_appends(tmp_path):
    path = tmp_path / "lcurve.out"
    for append in (False, False, True):
        with LearningCurve(path, append=append) as curve:
            curve.write(3, [Shown("", TRAIN, VALID)], 1e-3)
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
    path = tmp_path / "lcurve.out"
    for first, append in ((0, False), (2, True)):
        with LearningCurve(path, append=append) as curve:
            for step in (first, first + 1, first + 2):
                curve.write(step, [Shown("", {"rmse": 10.0 * first + step}, None)], 1e-3)
    curve = read_learning_curve(path)
    np.testing.assert_array_equal(curve["step"], [0, 1, 2, 3, 4])
    np.testing.assert_array_equal(curve["rmse_trn"], [0, 1, 22, 23, 24])


def test_picture(tmp_path):
    path = tmp_path / "lcurve.out"
    with LearningCurve(path) as curve:
        for step in range(5):
            curve.write(step, [Shown("", TRAIN, VALID)], 1e-3)
    picture = plot_learning_curve(path, tmp_path / "curve.png")
    assert picture.read_bytes().startswith(b"\x89PNG")


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
