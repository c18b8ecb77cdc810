"""The log on a terminal and in a file."""

import io
import logging

import pytest

from deepattn.cli.log import set_up_logging
from deepattn.losses import EnerLossConfig
from deepattn.train.monitoring.learning_curve import Shown, short_lines

METRICS = EnerLossConfig.metrics[0], EnerLossConfig.metrics[2]
TRAIN = {"rmse": 7.2, "rmse_e": 0.0521, "rmse_f": 0.6463, "rmse_v": float("nan")}
VALID = {"rmse": 6.8, "rmse_e": 0.0603, "rmse_f": 1.7, "rmse_v": float("nan")}


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def logged(monkeypatch, tmp_path):
    """A function that logs to a stream and gives back what is there, and in the file."""

    def log(stream):
        monkeypatch.setattr("sys.stderr", stream)
        set_up_logging(path=str(tmp_path / "log.txt"))
        logger = logging.getLogger("deepattn.train.loop")
        logger.info("Batch  500: trn: rmse = 7.20e+00", extra={"short": "step 500  E 52.1"})
        logger.info("Batch  500: val: rmse = 6.80e+00", extra={"short": ""})
        logger.info("saved")
        logger.warning("mind this")
        logger.info("saved in %s", "\x1b]0;gone\x07.pb")
        return stream.getvalue().splitlines(), (tmp_path / "log.txt").read_text().splitlines()

    yield log
    set_up_logging()


def test_a_terminal_has_short_lines_and_colors(logged):
    terminal, file = logged(Terminal())
    assert terminal[:2] == ["step 500  E 52.1", "saved"]
    assert terminal[2:] == [
        "\033[33mwarning:\033[0m mind this",
        r"saved in \x1b]0;gone\x07.pb",
    ]
    assert len(file) == 5
    assert file[0].endswith("Batch  500: trn: rmse = 7.20e+00")
    assert not any("\033" in line or "step 500" in line for line in file)


def test_a_pipe_has_what_a_file_has(logged):
    pipe, _ = logged(io.StringIO())
    assert len(pipe) == 5
    assert pipe[1].endswith("DEEPATTN INFO    Batch  500: val: rmse = 6.80e+00")
    assert pipe[3].endswith("DEEPATTN WARNING mind this")


def test_short_lines_fit_a_terminal():
    (line,) = short_lines(500, [Shown("", TRAIN, VALID, METRICS)], 1e-3)
    assert line == ("step    500  E 52.1 (val 60.3) meV/atom  F 646 (val 1700) meV/Å  lr 1.0e-03")
    lines = short_lines(
        1, [Shown("a", TRAIN, None, METRICS), Shown("b", {"rmse": 2.5}, None)], 1e-3
    )
    assert lines[0] == "step      1  a:  E 52.1 meV/atom  F 646 meV/Å  lr 1.0e-03"
    assert lines[1] == "step      1  b:  rmse 2.5  lr 1.0e-03"
