"""Keys of the ``loss`` section."""

from dargs import Argument, Variant

from deepattn.config.argument import Refused, key, section

_HESSIAN = "Hessians are not trained"
_PREFACTORS = (
    ("e", "the energy", 0.02, 1.0),
    ("f", "the forces", 1000.0, 1.0),
    ("v", "the virial", 0.0, 0.0),
    ("ae", "the atomic energies", 0.0, 0.0),
    ("pf", "the forces scaled by atom_pref.npy", 0.0, 0.0),
    ("gf", "the generalized forces", 0.0, 0.0),
)


def loss_section() -> Argument:
    """What is minimized."""
    fields = []
    for term, what, start, limit in _PREFACTORS:
        fields += [
            key(f"start_pref_{term}", float, start, f"Weight of {what} at start_lr."),
            key(f"limit_pref_{term}", float, limit, f"Weight of {what} as the rate goes to zero."),
        ]
    fields += [
        key("numb_generalized_coord", int, 0, "Number of generalized coordinates (drdq.npy)."),
        key(
            "relative_f",
            [float, None],
            None,
            "Divide each force error by the reference force plus this, eV/Å.",
        ),
        key(
            "enable_atom_ener_coeff",
            bool,
            False,
            "Whether the energy is a sum with the coefficients of atom_ener_coeff.npy.",
        ),
        key("use_huber", bool, False, "Whether errors beyond huber_delta count linearly."),
        key(
            "huber_delta",
            [float, list[float]],
            0.01,
            "Where that begins; a list is for energy, force, virial.",
        ),
        key(
            "intensive_ener_virial",
            bool,
            False,
            "Whether errors of energy and virial are taken per atom before they are squared.",
        ),
        Refused("start_pref_h", 0.0, hint=_HESSIAN),
        Refused("limit_pref_h", 0.0, hint=_HESSIAN),
        Refused("use_default_pf", False, hint="give atom_pref.npy in the data"),
        Refused("loss_func", "mse", hint="set use_huber for a loss that grows linearly"),
        Refused("f_use_norm", False, hint="force errors are taken by component"),
    ]
    return section(
        "loss",
        [],
        [
            Variant(
                "type",
                [Argument("ener", dict, fields, alias=["ener_hess"], doc="Energy and forces.")],
                optional=True,
                default_tag="ener",
                doc="Kind of the loss.",
            )
        ],
        "What is minimized: the sum of squared errors, each times its weight.",
        optional=True,
    )
