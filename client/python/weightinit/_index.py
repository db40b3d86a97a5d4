"""NumPy's basic indexing as boxes: what the library can draw without drawing more."""

from __future__ import annotations

import math
import operator
from typing import Any, NamedTuple

import numpy as np

WHOLE = Ellipsis


class Box(NamedTuple):
    """A part of a tensor.

    ``dims`` has (start, size, step ≥ 1) for each dimension of the tensor, or is None for all of it. The result has ``shape``:
    one size for each dimension but those that an integer took away, which ``kept`` tells apart. ``flip`` turns what was
    drawn upwards into what was asked for; None where no step is negative.
    """

    dims: tuple[tuple[int, int, int], ...] | None
    shape: tuple[int, ...]
    kept: tuple[bool, ...] | None = None
    flip: tuple[slice, ...] | None = None

    def sizes(self) -> tuple[int, ...]:
        """The shape with a 1 for each dimension that an integer took away."""
        return self.shape if self.dims is None else tuple(size for _, size, _ in self.dims)

    def num_elements(self) -> int:
        return math.prod(self.shape)


def box_of(index: Any, shape: tuple[int, ...]) -> Box:
    """The box that a NumPy index means: integers, slices of any step, one ellipsis.

    Raises IndexError as NumPy does: an integer outside its dimension, too many indices, a second ellipsis; and for what NumPy
    calls advanced indexing.
    """
    if index is Ellipsis:
        return Box(None, shape)
    items = index if isinstance(index, tuple) else (index,)
    dims, kept, flip = [], [], []
    for item, extent in zip(_fill_up(items, len(shape)), shape):
        if isinstance(item, slice):
            dim, backwards = _dim_of_slice(item, extent)
            dims.append(dim)
            kept.append(True)
            flip.append(slice(None, None, -1) if backwards else slice(None))
        else:
            dims.append((_position(item, extent, len(dims)), 1, 1))
            kept.append(False)
    sizes = tuple(size for (_, size, _), keep in zip(dims, kept) if keep)
    backwards = any(part.step is not None for part in flip)
    return Box(tuple(dims), sizes, tuple(kept), tuple(flip) if backwards else None)


def _fill_up(items: tuple[Any, ...], rank: int) -> list[Any]:
    """The items with whole dimensions in place of an ellipsis, or at the end."""
    ellipses = [i for i, item in enumerate(items) if item is Ellipsis]
    if len(ellipses) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    given = len(items) - len(ellipses)
    if given > rank:
        raise IndexError(f"too many indices: the tensor has {rank} dimension{'s' * (rank != 1)}, but {given} were indexed")
    at = ellipses[0] if ellipses else len(items)
    return [*items[:at], *[slice(None)] * (rank - given), *items[at + 1 :]]


def _dim_of_slice(item: slice, extent: int) -> tuple[tuple[int, int, int], bool]:
    start, stop, step = item.indices(extent)
    size = len(range(start, stop, step))
    if size == 0:
        return (0, 0, 1), False
    if size == 1:  # no step is made, however long
        return (start, 1, 1), step < 0
    if step < 0:
        return (start + (size - 1) * step, size, -step), True
    return (start, size, step), False


def _position(item: Any, extent: int, axis: int) -> int:
    if isinstance(item, (bool, np.bool_)) or item is None or isinstance(item, (list, tuple)) or getattr(item, "ndim", 0) > 0:
        raise IndexError(
            f"{type(item).__name__} is no index of a lazy tensor, which takes integers, slices and '...'; "
            "read a box and index the array"
        )
    try:
        position = operator.index(item)
    except TypeError:
        raise IndexError(f"{type(item).__name__} is no index of a lazy tensor, which takes integers, slices and '...'") from None
    if not -extent <= position < extent:
        raise IndexError(f"index {position} is out of bounds for axis {axis} with size {extent}")
    return position % extent


def strides_of(shape: tuple[int, ...]) -> list[int]:
    """Row-major strides, in elements."""
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return strides[::-1]


def place_of(box: Box, shape: tuple[int, ...]) -> tuple[int, list[int]]:
    """(base, strides): element j of the box has the logical index base + Σ j_d·strides[d] in a tensor of this shape."""
    strides = strides_of(shape)
    if box.dims is None:
        return 0, strides
    base = sum(start * stride for (start, _, _), stride in zip(box.dims, strides))
    return base, [step * stride for (_, _, step), stride in zip(box.dims, strides)]
