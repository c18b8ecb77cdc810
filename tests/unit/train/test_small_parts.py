"""Clock, signals, progress line, seeds, NaN guard, TensorBoard events."""

import os
import signal
import time
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from deepattn.config import Config, normalize
from deepattn.losses import EnerLossConfig
from deepattn.train.interrupt import stop_on_signals
from deepattn.train.monitoring.clock import Clock
from deepattn.train.monitoring.nan_guard import NonFiniteError, check_metrics, check_weights
from deepattn.train.monitoring.progress import progress_line
from deepattn.train.monitoring.tensorboard import TensorBoardWriter
from deepattn.train.seeds import resolve_seeds

# --- clock -------------------------------------------------------------------------------------


def test_clock_extrapolates_the_last_interval(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    clock = Clock(20, 120, 10)
    clock.interval()
    now[0] += 5.0
    assert clock.lap(30) == (5.0, 45.0)
    now[0] += 2.0
    assert clock.lap(40) == (2.0, 16.0)


def test_clock_skips_the_first_interval(monkeypatch, caplog):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    clock = Clock(0, 25, 10)
    for step in range(25):
        with clock:
            now[0] += 1.0 if step < 10 else 0.25
    with caplog.at_level("INFO", "deepattn"):
        clock.report()
    assert "average training time: 0.2500 s/batch (exclude first 10 batches)" in caplog.text


# --- signals -----------------------------------------------------------------------------------


@pytest.fixture
def python_interrupts():
    """Python's own handling of SIGINT, which jobs in the background are started without."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("python_interrupts")
def test_sigint_is_a_request_first():
    with stop_on_signals() as request:
        assert not request
        os.kill(os.getpid(), signal.SIGINT)
        assert request
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
    with pytest.raises(KeyboardInterrupt):
        request.leave()


def test_sigterm_leaves_with_143_and_handlers_return():
    before = signal.getsignal(signal.SIGTERM)
    with stop_on_signals() as request:
        os.kill(os.getpid(), signal.SIGTERM)
        assert request
    assert signal.getsignal(signal.SIGTERM) is before
    with pytest.raises(SystemExit) as leave:
        request.leave()
    assert leave.value.code == 143


# --- progress ----------------------------------------------------------------------------------


def test_no_progress_line_in_a_file(capfd):
    with progress_line(0, 3) as advance:
        advance(1, 0.5)
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


# --- seeds -------------------------------------------------------------------------------------


def _config(**training):
    section = {"training_data": {"systems": "x"}, "numb_steps": 1}
    return Config.from_dict(
        normalize(
            {
                "model": {
                    "type_map": ["H"],
                    "descriptor": {"type": "se_atten", "sel": 4},
                    "fitting_net": {"seed": 7},
                },
                "learning_rate": {"start_lr": 1e-3},
                "training": section | training,
            }
        )
    )


def test_blocks_without_a_seed_follow_the_training_seed():
    one, same, other = (resolve_seeds(_config(seed=seed)) for seed in (5, 5, 6))
    assert one == same
    assert one.model.fitting_net.seed == 7
    assert one.model.descriptor.seed != one.model.type_embedding.seed
    assert one.model.descriptor.seed != other.model.descriptor.seed


def test_a_run_without_a_seed_gets_one_that_is_logged(caplog):
    with caplog.at_level("INFO", "deepattn"):
        settled = resolve_seeds(_config())
    assert str(settled.training.seed) in caplog.text
    assert resolve_seeds(_config(seed=settled.training.seed)) == settled


# --- NaN guard ---------------------------------------------------------------------------------

# Energy and forces.
METRICS = EnerLossConfig.metrics[0], EnerLossConfig.metrics[2]
WHERE = {"step": 17, "advice": "start again"}


def _drawn(labels):
    """A batch, with the labels that it has."""
    batch = SimpleNamespace(labels=labels)
    return SimpleNamespace(read=lambda: (batch,), origin=lambda: "frame 3 of ../d/a")


def test_the_first_term_that_is_not_finite_is_named():
    labels = {"find_energy": np.zeros(1), "energy": np.zeros(1)}
    labels |= {"find_force": np.ones(1), "force": np.zeros((1, 2, 3))}
    values = {"rmse": np.nan, "rmse_e": np.nan, "rmse_f": np.inf}
    with pytest.raises(NonFiniteError, match=r"error of the forces .* step 17, on frame 3 of"):
        check_metrics(values, _drawn(labels), METRICS, **WHERE)


def test_missing_labels_are_no_divergence():
    check_metrics({"rmse": 1.0, "rmse_v": np.nan}, _drawn({}), METRICS, **WHERE)


def test_infinite_weights_are_named():
    arrays = {"a": np.ones(2), "layer_0/matrix": np.array([1.0, np.inf])}
    with pytest.raises(NonFiniteError, match="layer_0/matrix"):
        check_weights(arrays, step=3, advice="start again")
    check_weights({"a": np.ones(2)}, step=3, advice="start again")


# --- TensorBoard -------------------------------------------------------------------------------


def _events(folder):
    found = {}
    for path in folder.iterdir():
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                found[event.step, value.tag] = value
    return found


def test_events_have_deepmds_tags(tmp_path):
    log = tmp_path / "log"
    for _ in range(2):  # the second run replaces the first
        writer = TensorBoardWriter(log)
        writer.train(3, {"rmse": 2.0, "rmse_e": 0.5, "rmse_f": 0.25}, METRICS)
        writer.test(10, {"rmse": 1.5}, ())
        writer.weights(10, {"layer_0/matrix": np.arange(6.0).reshape(2, 3)})
        writer.close()
    train, test = _events(log / "train"), _events(log / "test")
    assert train[3, "l2_loss_test"].simple_value == 2.0
    assert train[3, "l2_ener_loss_test"].simple_value == 0.5
    assert train[3, "l2_force_loss_test"].simple_value == 0.25
    assert test[10, "l2_loss_test"].simple_value == 1.5
    histogram = train[10, "layer_0/matrix"].histo
    assert (histogram.num, histogram.sum, histogram.max) == (6, 15, 5)
    assert sum(histogram.bucket) == 6
    assert len(list((log / "train").iterdir())) == 1
