"""The fittings, one folder each: configuration, layer, reading and writing of ``.dp`` files."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "dipole.config": ["DipoleFittingConfig"],
        "dipole.layer": ["DipoleFitting"],
        "dos.config": ["DosFittingConfig"],
        "dos.layer": ["DosFitting"],
        "ener.config": ["EnerFittingConfig"],
        "ener.layer": ["EnergyFitting"],
        "polar.config": ["PolarFittingConfig"],
        "polar.layer": ["PolarFitting"],
        "property.config": ["PropertyFittingConfig"],
        "property.layer": ["PropertyFitting"],
    },
)
