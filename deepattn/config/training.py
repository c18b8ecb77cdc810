"""Typed ``learning_rate``, ``loss``, ``optimizer`` and ``training`` sections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deepattn.config.section import Section


@dataclass(frozen=True)
class ScheduleConfig(Section):
    """What every schedule of the learning rate has."""

    type: str
    start_lr: float
    stop_lr: float
    warmup_steps: int
    warmup_ratio: float | None
    warmup_start_factor: float
    scale_by_worker: str


@dataclass(frozen=True)
class ExpConfig(ScheduleConfig):
    """Exponential decay."""

    decay_steps: int
    decay_rate: float | None
    smooth: bool


@dataclass(frozen=True)
class CosineConfig(ScheduleConfig):
    """Half a cosine."""


@dataclass(frozen=True)
class WsdConfig(ScheduleConfig):
    """Warm-up, stable phase, decay."""

    decay_phase_ratio: float
    decay_type: str


SCHEDULES: dict[str, type[ScheduleConfig]] = {
    "exp": ExpConfig,
    "cosine": CosineConfig,
    "wsd": WsdConfig,
}


@dataclass(frozen=True)
class EnerLossConfig(Section):
    """Weights of the squared errors at the start and at the limit of a zero learning rate."""

    type: str
    start_pref_e: float
    limit_pref_e: float
    start_pref_f: float
    limit_pref_f: float
    start_pref_v: float
    limit_pref_v: float
    start_pref_ae: float
    limit_pref_ae: float
    start_pref_pf: float
    limit_pref_pf: float
    start_pref_gf: float
    limit_pref_gf: float
    numb_generalized_coord: int
    relative_f: float | None
    enable_atom_ener_coeff: bool
    use_huber: bool
    huber_delta: float | tuple[float, float, float]
    intensive_ener_virial: bool


@dataclass(frozen=True)
class AdamConfig(Section):
    """Adam."""

    type: str
    adam_beta1: float
    adam_beta2: float


@dataclass(frozen=True)
class DataConfig(Section):
    """Where data are and how batches are drawn from them."""

    systems: tuple[str, ...]
    rglob_patterns: tuple[str, ...] | None
    batch_size: int | tuple[int, ...] | str
    auto_prob: str
    sys_probs: tuple[float, ...] | None


@dataclass(frozen=True)
class ValidationDataConfig(DataConfig):
    """Data to evaluate on; ``numb_btch`` batches an evaluation."""

    numb_btch: int


@dataclass(frozen=True)
class TrainingConfig(Section):
    """Data, length and files of a training; one of ``numb_steps`` and ``numb_epoch`` is None."""

    training_data: DataConfig
    validation_data: ValidationDataConfig | None
    seed: int | None
    disp_file: str
    disp_freq: int
    save_freq: int
    save_ckpt: str
    max_ckpt_keep: int
    disp_training: bool
    time_training: bool
    tensorboard: bool
    tensorboard_log_dir: str
    tensorboard_freq: int
    profiling: bool
    profiling_file: str
    enable_profiler: bool
    change_bias_after_training: bool
    numb_steps: int | None = None
    numb_epoch: float | None = None
    stat_file: str | None = None
    gradient_max_norm: float | None = None

    @property
    def steps(self) -> int:
        """``numb_steps`` of a training whose epochs have been counted."""
        if self.numb_steps is None:
            raise ValueError("training/numb_steps is not known before epochs are counted")
        return self.numb_steps

    @classmethod
    def from_dict(cls, section: Mapping[str, Any]) -> TrainingConfig:
        """Build from a normalized ``training`` section."""
        validation = section["validation_data"]
        return super().from_dict(
            {
                **section,
                "training_data": DataConfig.from_dict(section["training_data"]),
                "validation_data": validation and ValidationDataConfig.from_dict(validation),
            }
        )
