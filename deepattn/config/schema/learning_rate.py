"""Keys of the ``learning_rate`` and ``optimizer`` sections."""

from dargs import Argument, Variant

from deepattn.config.argument import Refused, key, required, section


def learning_rate_section() -> Argument:
    """How the learning rate changes."""
    exp = [
        key("decay_steps", int, 5000, "Steps between two decreases."),
        key(
            "decay_rate",
            [float, None],
            None,
            "Factor of one decrease; null: such that the rate ends at stop_lr.",
        ),
        key("smooth", bool, False, "Whether the rate decreases at every step."),
    ]
    wsd = [
        key("decay_phase_ratio", float, 0.1, "Length of the decay as a part of numb_steps."),
        key(
            "decay_type",
            str,
            "inverse_linear",
            "Form of the decay: inverse_linear, cosine or linear.",
        ),
    ]
    return section(
        "learning_rate",
        [
            required("start_lr", float, "Rate at the start, after the warm-up."),
            key(
                "stop_lr",
                [float, None],
                None,
                "Rate at the end; 5e-8 if neither it nor stop_lr_ratio is given.",
            ),
            key("stop_lr_ratio", [float, None], None, "stop_lr as a part of start_lr."),
            key("warmup_steps", int, 0, "Steps of a linear warm-up."),
            key("warmup_ratio", [float, None], None, "warmup_steps as a part of numb_steps."),
            key("warmup_start_factor", float, 0.0, "The warm-up starts at this times start_lr."),
            key(
                "scale_by_worker",
                str,
                "linear",
                "How the optimizer's rate grows with the number of workers: linear, sqrt or none.",
            ),
        ],
        [
            Variant(
                "type",
                [
                    Argument("exp", dict, exp, doc="Exponential decay."),
                    Argument("cosine", dict, doc="Half a cosine."),
                    Argument("wsd", dict, wsd, doc="Stable, then a decay at the end."),
                ],
                optional=True,
                default_tag="exp",
                doc="Form of the schedule.",
            )
        ],
        "How the learning rate changes.",
    )


def optimizer_section() -> Argument:
    """How the weights follow the gradient."""
    adam = [
        key("adam_beta1", float, 0.9, "Decay of the first moment."),
        key("adam_beta2", float, 0.999, "Decay of the second moment."),
        Refused("weight_decay", 0.0, hint="Adam is used without it"),
    ]
    return section(
        "optimizer",
        [],
        [
            Variant(
                "type",
                [Argument("Adam", dict, adam, doc="Adam with epsilon 1e-8.")],
                optional=True,
                default_tag="Adam",
                doc="Kind of the optimizer.",
            )
        ],
        "How the weights follow the gradient.",
        optional=True,
    )
