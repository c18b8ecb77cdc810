"""The file of full validations, and the list of the best checkpoints with their files."""

import math
from pathlib import Path

import pytest

from deepattn.config.validating import QUANTITIES
from deepattn.train.checkpointing.best import BestCheckpoints, BestFiles
from deepattn.train.monitoring.validation_log import ValidationLog, in_milli


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (0.0012345678, "1.2346"),
        (12.34567, "12346"),
        (1234.5678, "1234600"),
        (9.999996e-3, "10.0000"),
        (1.5e-9, "0.0000015000"),
        (1.23456e-16, "1.2346e-13"),
        (0.0, "0"),
        (1e-320, "0"),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (-0.0012345678, "-1.2346"),
    ],
)
def test_five_digits(error, text):
    assert in_milli(error) == text


def test_columns(here):
    log = ValidationLog("run/val.log", QUANTITIES[:2], steps=123456)
    log.write(12, {"mae_ea": 0.001, "rmse_ea": 0.002, "mae_f": 0.03})
    log.add_best(Path("best.ckpt-12.t-1.h5"), "E:MAE", 0.001, "meV/atom")
    log.close()
    lines = Path("run/val.log").read_text().splitlines()
    assert lines[0] == ("#  step  E_MAE(meV/atom) E_RMSE(meV/atom) F_MAE(meV/Å) F_RMSE(meV/Å)")
    assert lines[2] == "    12       1.0000           2.0000         30.000         nan     "
    assert lines[3] == "# saved best checkpoint: best.ckpt-12.t-1.h5 (E:MAE = 1.0000 meV/atom)"


def write(steps, *, after=None, quantities=QUANTITIES):
    log = ValidationLog("val.log", quantities, steps=100, after=after)
    for step in steps:
        log.write(step, {"mae_ea": 1.0 / step})
        if step % 4 == 0:
            log.add_best(Path(f"best.ckpt-{step}.t-1.h5"), "E:MAE", 1.0 / step, "meV/atom")
    log.close()
    return Path("val.log").read_text()


@pytest.mark.parametrize("after", [1, 2, 3, 4, 7])
def test_a_resumed_run_repeats_no_line(here, after):
    whole = write(range(2, 11))
    assert write(range(max(after + 1, 2), 11), after=after) == whole


def test_a_line_that_was_not_written_to_its_end_goes(here):
    whole = write(range(2, 6))
    Path("val.log").write_text(whole + "   6    0.1")
    assert write([6], after=6) == whole + write([6]).splitlines(keepends=True)[2]


def test_other_columns_have_another_header(here):
    write([1, 2])
    text = write([3], after=2, quantities=QUANTITIES[:1])
    assert text.count("# step") == 2


@pytest.fixture
def best(here):
    return make()


def make(state=None, *, metric="E:MAE", most=2):
    files = BestFiles(Path("best"), "best.ckpt")
    return BestCheckpoints(files, metric=metric, most=most, state=state, written=True)


def offer(best, step, error):
    """Offer a validation and write its file, as a training does."""
    rank = best.offer(step, error)
    if rank is not None:
        path = best.path(step, rank)
        path.parent.mkdir(exist_ok=True)
        path.write_text(str(step))
        best.arrange()
    return rank


def names():
    found = {path.name: path.read_text() for path in Path("best").iterdir()}
    assert all(name.startswith(f"best.ckpt-{text}.t-") for name, text in found.items())
    return sorted(name.removeprefix("best.ckpt-").removesuffix(".h5") for name in found)


def test_the_lowest_errors_are_kept(best):
    ranks = [offer(best, step, error) for step, error in enumerate([5.0, 3.0, 4.0, 4.0])]
    assert best.waited == 2
    ranks.append(offer(best, 4, 1.0))
    # An equal error is not better than an earlier one.
    assert ranks == [1, 1, 2, None, 1]
    assert names() == ["1.t-2", "4.t-1"]
    assert best.state() == {"metric": "E:MAE", "best": [[1.0, 4], [3.0, 1]], "waited": 0}


def test_files_of_the_last_checkpoint_stay_until_the_next(best):
    offer(best, 1, 5.0)
    offer(best, 2, 4.0)
    best.commit()
    state = best.state()
    offer(best, 3, 3.0)
    offer(best, 4, 2.0)
    assert names() == ["1.t-4", "2.t-3", "3.t-2", "4.t-1"]
    # Killed here and resumed:
    assert make(state).state() == state
    assert names() == ["1.t-2", "2.t-1"]


def test_a_written_checkpoint_removes_the_others(best):
    for step in (1, 2):
        offer(best, step, 1.0 / step)
    best.commit()
    for step in (3, 4):
        offer(best, step, 1.0 / step)
    best.commit()
    assert names() == ["3.t-2", "4.t-1"]


def test_a_validation_that_is_repeated_counts_once(best):
    for _ in range(2):
        assert offer(best, 1, 5.0) == 1
    assert best.state()["best"] == [[5.0, 1]]
    assert names() == ["1.t-1"]


def test_another_metric_begins_anew(best):
    offer(best, 1, 5.0)
    assert make(best.state(), metric="F:MAE").state() == {
        "metric": "F:MAE",
        "best": [],
        "waited": 0,
    }


def test_fewer_may_be_kept(best):
    offer(best, 1, 5.0)
    offer(best, 2, 4.0)
    assert make(best.state(), most=1).state()["best"] == [[4.0, 2]]
    assert names() == ["2.t-1"]


def test_other_files_stay(best):
    offer(best, 1, 5.0)
    for name in ("best.ckpt-1.h5", "best.ckpt-x.t-1.h5", "other-1.t-1.h5"):
        Path("best", name).write_text("1")
    best.commit()
    assert len(list(Path("best").iterdir())) == 4
