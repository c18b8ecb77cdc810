"""Faults planted in the sixth frame of a system."""

import numpy as np


def not_a_number(arrays):
    arrays["force"][5, 7] = np.nan


def overlap(arrays):
    arrays["coord"][5, :3] = arrays["coord"][5, 3:6] + 0.1


def close(arrays):
    arrays["coord"][5, :3] = arrays["coord"][5, 3:6] + 0.7


def again(arrays):
    for array in arrays.values():
        array[5] = array[2]


def contradiction(arrays):
    again(arrays)
    arrays["energy"][5] += 1.0


def outlier(arrays):
    arrays["energy"][5] += 50.0


def net_force(arrays):
    arrays["force"][5, ::3] += 0.1


def huge_force(arrays):
    arrays["force"][5, 0] += 200.0
    arrays["force"][5, 3] -= 200.0


def pressure(arrays):
    arrays["virial"][5] = 2000 * np.eye(3).ravel()


def torque(arrays):
    arrays["virial"][5, 1] += 1.0


def thin_box(arrays):
    arrays["box"][5] = np.diag([1e-3, 1.0, 1.0]).ravel()
