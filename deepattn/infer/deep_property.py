"""Properties of frames from a model file."""

from __future__ import annotations

from deepattn.infer.deep_observable import DeepContributions


class DeepProperty(DeepContributions):
    """A model of a property, with the methods of ``deepmd.infer.DeepProperty``.

    The observable has ``task_dim`` components.

    Args:
        model_file, auto_batch_size, neighbor_list, head, kwargs: As for `DeepEval`.

    Example:
        >>> (values,) = DeepProperty("model.dp").eval(coords, cells, atom_types)
    """

    reader = "DeepProperty"

    @property
    def task_dim(self) -> int:
        """The number of components of the property."""
        return self.get_task_dim()

    def get_task_dim(self) -> int:
        """Give the number of components of the property."""
        return self.observable.width

    def get_intensive(self) -> bool:
        """Give whether the property of a frame is the mean over its atoms, not the sum."""
        return self.observable.intensive

    def get_var_name(self) -> str:
        """Give the name of the property."""
        return self.observable.name
