"""Losses, one folder each: the section of the input, and the loss.

The modules ``config`` do without TensorFlow; the rest is imported when a name is asked for.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "base": ["Loss", "make_loss"],
        "dos.config": ["DosLossConfig"],
        "dos.loss": ["DosLoss"],
        "ener.config": ["EnerLossConfig"],
        "ener.loss": ["EnergyLoss"],
        "ener_spin.config": ["EnerSpinLossConfig"],
        "ener_spin.loss": ["EnergySpinLoss"],
        "property.config": ["PropertyLossConfig"],
        "property.loss": ["PropertyLoss"],
        "tensor.config": ["TensorLossConfig"],
        "tensor.loss": ["TensorLoss"],
    },
)
