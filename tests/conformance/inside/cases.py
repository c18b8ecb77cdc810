"""Cases for the scripts of this folder: arrays of an ``.npz`` file, ``<case>/<array>``."""

import numpy as np


def read_cases(path):
    """Arrays by the name of the case, then by their own."""
    cases = {}
    with np.load(path) as given:
        for key in given.files:
            name, part = key.rsplit("/", 1)
            cases.setdefault(name, {})[part] = given[key]
    return cases
