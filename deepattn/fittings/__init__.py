"""The fittings, one folder each: configuration, layer, reading and writing of ``.dp`` files."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={"ener.config": ["EnerFittingConfig"], "ener.layer": ["EnergyFitting"]},
)
