"""Element types: the API's names and numbers, and NumPy's types (ml_dtypes' for bfloat16 and float8)."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from . import _core
from .errors import refuse

NUMPY_OF_NAME: dict[str, np.dtype[Any]] = {
    "FLOAT32": np.dtype("<f4"),
    "BFLOAT16": np.dtype(ml_dtypes.bfloat16),
    "FLOAT16": np.dtype("<f2"),
    "FLOAT64": np.dtype("<f8"),
    "FLOAT8_E4M3FN": np.dtype(ml_dtypes.float8_e4m3fn),
    "FLOAT8_E5M2": np.dtype(ml_dtypes.float8_e5m2),
    "INT64": np.dtype("<i8"),
    "INT32": np.dtype("<i4"),
    "UINT8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
NAME_OF_NUMBER = {number: name for name, number in _core.dtypes.items()}
NUMPY_OF_NUMBER = {number: NUMPY_OF_NAME[name] for name, number in _core.dtypes.items()}
_NUMBER_OF_NUMPY = {dtype: number for number, dtype in NUMPY_OF_NUMBER.items()}


def to_numpy(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """A NumPy dtype of what NumPy takes as one, or of the API's name in any case."""
    if isinstance(dtype, str) and dtype.upper() in NUMPY_OF_NAME:
        return NUMPY_OF_NAME[dtype.upper()]
    return np.dtype(dtype)


def number_of(dtype: np.dtype[Any]) -> int:
    """The API's number. Raises InvalidArgumentError for a type that is not drawn."""
    number = _NUMBER_OF_NUMPY.get(dtype)
    if number is None:
        raise refuse("dtype", f"{dtype} is not drawn; allowed: {', '.join(NUMPY_OF_NAME)}, in little-endian byte order")
    return number
