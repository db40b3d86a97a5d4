"""Digests of arrays that someone holds: proof that they are the recipe's weights, without drawing them in one place."""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple

import numpy as np

from . import _core
from ._dtypes import number_of
from ._index import WHOLE, box_of
from .errors import refuse
from .recipe import Recipe
from .weights import digest_of_array


class Part(NamedTuple):
    """Where an array's elements stand in a tensor: ``tensor[index]`` of a tensor of this full shape."""

    shape: tuple[int, ...]
    index: Any = WHOLE


def digest(array: Any, part: Part | tuple[Any, ...] | None = None) -> int:
    """The digest of an array, 0 ≤ digest < 2**64: what :meth:`weightinit.Tensor.digest` says of the same part.

    Args:
        array: of NumPy, torch (any device) or JAX (all shards of it addressable), in a dtype of the API.
        part: where its elements stand in the full tensor. Default: it is the full tensor.

    Digests of disjoint parts add up, mod 2**64, to that of their union, whatever the parts. It detects accidents, not
    adversaries.
    """
    values = _to_numpy(array)
    if part is not None and not (isinstance(part, tuple) and part and isinstance(part[0], (tuple, list))):
        raise TypeError(f"a part is weightinit.Part(full shape, index) or such a tuple; not {part!r:.80}")
    shape, index = Part(*part) if part is not None else Part(values.shape)
    box = box_of(index, tuple(shape))
    if values.shape != box.shape:
        raise refuse("array", f"it has the shape {list(values.shape)}; the part has {list(box.shape)}")
    upwards = values if box.flip is None else values[box.flip]
    return digest_of_array(upwards, number_of(values.dtype), tuple(shape), box)


def model_digest(recipe: Recipe, digests: Mapping[str, int]) -> int:
    """The digest of a model, of its tensors' digests: Σ weight·digest mod 2**64, the weight being that of the tensor's name,
    dtype and shape. Over some of the tensors, or parts of them, it gives a summand: those of all ranks add up. Tied tensors count
    once, as the one that they are tied to.

    Raises NotFoundError for a name that the recipe does not have.
    """
    plan, specs = recipe.resolved(), recipe.specs()
    by_origin = {specs[plan.find(name)].origin: value for name, value in digests.items()}
    total = 0
    for origin, value in by_origin.items():
        total += _core.digest_weight(specs[origin].name, specs[origin].dtype, specs[origin].shape) * value
    return total % 2**64


def _to_numpy(array: Any) -> np.ndarray:
    if type(array).__module__.partition(".")[0] == "torch":
        from .torch import to_numpy

        return to_numpy(array)
    return np.asarray(array)
