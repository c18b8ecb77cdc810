"""Keys of the ``training`` and ``validating`` sections."""

from dargs import Argument

from deepattn.config.argument import OfTasks, Refused, key, required, section

_PYTORCH = "it belongs to the PyTorch backend"
_AVERAGE = "averages of the weights are not kept"


def training_section() -> Argument:
    """Data, length and files of a training."""
    return section(
        "training",
        [
            OfTasks("data_dict"),
            OfTasks("model_prob"),
            OfTasks("num_epoch_dict"),
            Refused("mixed_precision", hint="set precision of the nets to float32 instead"),
            section(
                "training_data",
                [*_data_fields(), Refused("min_pair_dist", 0.0, hint=_PYTORCH)],
                [],
                "Data to train on.",
            ),
            Argument(
                "validation_data",
                [dict, None],
                [
                    *_data_fields(),
                    key(
                        "numb_btch",
                        int,
                        1,
                        "Batches an evaluation takes.",
                        alias=("numb_batch",),
                    ),
                ],
                optional=True,
                default=None,
                doc="Data to evaluate on while training.",
            ),
            key(
                "numb_steps",
                [int, None],
                None,
                "Number of steps, counted from the very first; give it or numb_epoch.",
                alias=("stop_batch", "num_step", "num_steps", "numb_step"),
            ),
            key(
                "numb_epoch",
                [float, None],
                None,
                "Number of passes over the data instead of numb_steps.",
                alias=("num_epoch", "num_epochs", "numb_epochs"),
            ),
            key("seed", [int, None], None, "Seed of the order of the data."),
            key("disp_file", str, "lcurve.out", "File of the learning curve."),
            key("disp_freq", int, 1000, "Steps between two of its lines."),
            key("save_freq", int, 1000, "Steps between two checkpoints."),
            key("save_ckpt", str, "model.ckpt", "Prefix of the checkpoints, folder included."),
            key("max_ckpt_keep", int, 5, "Checkpoints that are kept; 0 keeps all."),
            key("disp_training", bool, True, "Whether the learning curve is written."),
            key("time_training", bool, True, "Whether the time of an interval is logged."),
            key("tensorboard", bool, False, "Whether events for TensorBoard are written."),
            key("tensorboard_log_dir", str, "log", "Their folder."),
            key("tensorboard_freq", int, 1, "Steps between two of them."),
            key("profiling", bool, False, "Whether a trace of the last step is written."),
            key("profiling_file", str, "timeline.json", "File of that trace."),
            key(
                "enable_profiler",
                bool,
                False,
                "Whether TensorFlow's profiler writes into tensorboard_log_dir.",
            ),
            key(
                "change_bias_after_training",
                bool,
                False,
                "Whether the energy bias is fitted again after the last step.",
            ),
            key(
                "stat_file",
                [str, None],
                None,
                "HDF5 file or folder that keeps the statistics of the data.",
            ),
            key(
                "gradient_max_norm",
                [float, None],
                None,
                "Norm that the gradient of all weights together is scaled down to.",
            ),
            Refused("stat_file_mode", "update", hint=_PYTORCH),
            Refused("save_dir", hint="give the folder in training/save_ckpt"),
            Refused("ckpt_keep_ratio", hint="set training/max_ckpt_keep"),
            Refused("enable_ema", False, hint=_AVERAGE),
            Refused("ema_decay", 0.999, hint=_AVERAGE),
            Refused("ema_ckpt_keep", hint=_AVERAGE),
            Refused("disp_avg", False, hint=_PYTORCH),
            Refused("acc_freq", 1, hint=_PYTORCH),
            Refused("zero_stage", 0, hint=_PYTORCH),
            Refused("neighbor_graph_method", "auto", hint=_PYTORCH),
            Refused("enable_compile", False, hint=_PYTORCH),
            Refused("enable_tf32", False, hint=_PYTORCH),
        ],
        [],
        "Data, length and files of the training.",
    )


def _data_fields() -> list[Argument]:
    return [
        required(
            "systems",
            [str, list[str]],
            "Folders or HDF5 files that are searched for systems, and files of other codes "
            "(OUTCAR, vasprun.xml, .extxyz, …), relative to the working folder.",
        ),
        key(
            "rglob_patterns",
            [list[str], None],
            None,
            "Search below systems for folders that match these patterns.",
        ),
        key(
            "batch_size",
            [int, list[int], str],
            "auto",
            "Frames of a batch: a number, one for each system, auto (at least 32 atoms), auto:M "
            "(at least M atoms), max:M (at most M atoms), filter:M (the same without larger "
            "systems), mixed:B (B frames of any systems).",
        ),
        key(
            "auto_prob",
            str,
            "prob_sys_size",
            "How systems are drawn: prob_uniform, prob_sys_size (by number of batches), or "
            "prob_sys_size;start:end:weight;… for blocks of systems.",
            alias=("auto_prob_style",),
        ),
        key(
            "sys_probs",
            [list[float], None],
            None,
            "Probability of each system, instead of auto_prob; negative ones share the rest.",
            alias=("sys_weights",),
        ),
    ]


def validating_section() -> Argument:
    """DeePMD-kit's full validation, which is not supported: every key of it is refused."""
    hint = "run deepattn test on the checkpoints"
    return Argument(
        "validating",
        dict,
        [
            Refused("full_validation", False, hint=hint),
            Refused("ema_full_validation", False, hint=hint),
            Refused("validation_freq", 5000, hint=hint),
            Refused("save_best", True, hint=hint),
            Refused("save_best_dir", hint=hint),
            Refused("max_best_ckpt", 1, hint=hint),
            Refused("validation_metric", "E:MAE", hint=hint),
            Refused("full_val_file", "val.log", hint=hint),
            Refused("full_val_start", 0.5, hint=hint),
            Refused("compiled_infer", False, hint=hint),
            Refused("tf32_infer", False, hint=hint),
            Refused("amp_infer", False, hint=hint),
        ],
        optional=True,
        doc="Validation on all data of DeePMD-kit's PyTorch backend; not supported.",
    )
