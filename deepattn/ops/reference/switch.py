"""The quintic switch of DeepPot-SE (arXiv:1805.09003), from 1 to 0 with two smooth derivatives."""

from typing import Any


def quintic_switch(u: Any) -> tuple[Any, Any]:
    """``1 - 10 u³ + 15 u⁴ - 6 u⁵`` and its slope; every step rounds as in the compiled ops.

    Args:
        u: how far the switching has come, between 0 and 1: a number, an array or a tensor.

    Returns:
        The switch, and its derivative with respect to ``u``.
    """
    quadratic = -6.0 * u * u + 15.0 * u - 10.0
    value = u * u * u * quadratic + 1.0
    return value, 3.0 * u * u * quadratic + u * u * u * (-12.0 * u + 15.0)
