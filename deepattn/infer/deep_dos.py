"""Densities of states of frames from a model file."""

from __future__ import annotations

from deepattn.infer.deep_observable import DeepContributions


class DeepDOS(DeepContributions):
    """A model of densities of states, with the methods of ``deepmd.infer.DeepDOS``.

    The observable has ``numb_dos`` points of an energy grid.

    Args:
        model_file, auto_batch_size, neighbor_list, head, kwargs: As for `DeepEval`.

    Example:
        >>> (dos,) = DeepDOS("frozen_model.pb").eval(coords, cells, atom_types)
    """

    reader = "DeepDOS"

    @property
    def numb_dos(self) -> int:
        """The number of points of the energy grid."""
        return self.get_numb_dos()

    def get_numb_dos(self) -> int:
        """Give the number of points of the energy grid."""
        return self.observable.width
