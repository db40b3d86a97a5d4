"""Where arrays lie."""

from __future__ import annotations

import numpy as np

from ._index import Box


def address_of(array: np.ndarray) -> int:
    # Half the time of array.ctypes.data, which counts for small reads.
    address: int = array.__array_interface__["data"][0]
    return address


def byte_strides_of(array: np.ndarray, box: Box) -> list[int] | None:
    """Strides for each dimension of the box, those that an integer took away included; None for memory in one piece."""
    if array.flags.c_contiguous:
        return None
    if box.kept is None:
        return list(array.strides)
    strides = iter(array.strides)
    return [next(strides) if kept else 0 for kept in box.kept]
