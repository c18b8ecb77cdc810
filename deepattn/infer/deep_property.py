"""Properties of frames from a model file."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from deepattn.infer.deep_eval import refuse_arguments
from deepattn.infer.deep_observable import DeepObservable


class DeepProperty(DeepObservable):
    """A model of a property, with the methods of ``deepmd.infer.DeepProperty``.

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

    def eval(
        self,
        coords: ArrayLike,
        cells: ArrayLike | None,
        atom_types: ArrayLike,
        atomic: bool = False,
        fparam: ArrayLike | None = None,
        aparam: ArrayLike | None = None,
        mixed_type: bool = False,
        **kwargs: Any,
    ) -> tuple[np.ndarray, ...]:
        """Evaluate the property.

        Args:
            coords, cells, atom_types, fparam, aparam, mixed_type, kwargs: As for `DeepPot.eval`.
            atomic: Whether to give the contributions of the atoms too.

        Returns:
            The property ``[nframes, task_dim]``; with ``atomic`` also the contributions ``[nframes,
            natoms, task_dim]``.

        Raises:
            DataError: As for `DeepPot.eval`.
            ModelFileError: If TensorFlow cannot run the model.
        """
        refuse_arguments(kwargs)
        frames = self.frames(coords, cells, atom_types, fparam, aparam, mixed_type)
        return tuple(self.evaluate(frames, atomic=atomic).values())
