"""torch's tensors as NumPy's, and which parts of a full tensor a DTensor holds."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import torch

DTensor: Any
try:
    from torch.distributed.tensor import DTensor
except ImportError:  # before torch 2.5, or built without distributed
    try:
        from torch.distributed._tensor import DTensor  # type: ignore[attr-defined]
    except ImportError:
        DTensor = ()  # nothing is an instance of it

from ..errors import make, refuse

_TORCH_OF_NUMPY: dict[np.dtype[Any], torch.dtype] = {
    np.dtype(numpy): getattr(torch, name)
    for numpy, name in [
        ("f4", "float32"), ("f2", "float16"), ("f8", "float64"), ("i8", "int64"), ("i4", "int32"), ("u1", "uint8"), ("?", "bool"),
        (ml_dtypes.bfloat16, "bfloat16"), (ml_dtypes.float8_e4m3fn, "float8_e4m3fn"), (ml_dtypes.float8_e5m2, "float8_e5m2"),
    ]
    if hasattr(torch, name)  # float8 came with torch 2.1
}  # fmt: skip


def dtype_of(numpy_dtype: np.dtype[Any]) -> torch.dtype:
    return _TORCH_OF_NUMPY[numpy_dtype]


def is_drawn(dtype: torch.dtype) -> bool:
    return dtype in _TORCH_OF_NUMPY.values()


def numpy_dtype_of(dtype: torch.dtype) -> np.dtype[Any]:
    """Raises InvalidArgumentError for a type that is not drawn."""
    for numpy_dtype, known in _TORCH_OF_NUMPY.items():
        if known == dtype:
            return numpy_dtype
    raise refuse("dtype", f"{dtype} is not drawn")


class _Memory:
    """A tensor's memory as NumPy asks for it. ``Tensor.numpy()`` knows neither bfloat16 nor float8, and forbids for ever that the
    storage changes its size, which FSDP does."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self._tensor = tensor  # lives as long as the array
        size = tensor.element_size()
        self.__array_interface__ = {
            "version": 3,
            "shape": tuple(tensor.shape),
            "strides": tuple(stride * size for stride in tensor.stride()),
            "typestr": f"|V{size}",
            "data": (tensor.data_ptr(), False),
        }


def share_memory(tensor: torch.Tensor) -> np.ndarray:
    """A tensor on the CPU as an array over the same memory."""
    dtype = numpy_dtype_of(tensor.dtype)
    if tensor.numel() == 0:
        return np.empty(tuple(tensor.shape), dtype)
    return np.asarray(_Memory(tensor)).view(dtype)


def to_numpy(tensor: torch.Tensor) -> np.ndarray:
    """The values of a tensor on any device. bfloat16 and float8 become ml_dtypes' types. Shares memory with one on the CPU.

    Raises UnsupportedError for a DTensor (take its ``to_local()``, or :func:`weightinit.torch.attest`) and for meta.
    """
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(f"not a torch.Tensor but {type(tensor).__name__}")
    if isinstance(tensor, DTensor):
        raise make("UNIMPLEMENTED", "a DTensor is spread over ranks: digest its to_local(), or use weightinit.torch.attest")
    if tensor.is_meta:
        raise make("UNIMPLEMENTED", "a tensor on meta has no values")
    if tensor.layout != torch.strided:
        raise make("UNIMPLEMENTED", f"{tensor.layout}: take the dense tensor")
    return share_memory(tensor.detach().cpu().resolve_neg())


class LocalPart(NamedTuple):
    """A box of the full tensor, and where it stands in the local one."""

    full: tuple[slice, ...]
    local: tuple[slice, ...]


def local_of(tensor: torch.Tensor) -> torch.Tensor:
    """What this rank holds."""
    local: torch.Tensor = tensor.to_local() if isinstance(tensor, DTensor) else tensor.detach()
    return local


def parts_of(tensor: Any, name: str) -> list[LocalPart]:
    """The boxes of the full tensor that this rank holds: one for most placements, more for strided ones; none outside the mesh.

    Raises UnsupportedError for partial sums and for a local tensor that is not what torch's placements say.
    """
    if not isinstance(tensor, DTensor):
        whole = tuple(slice(0, size) for size in tensor.shape)
        return [LocalPart(whole, whole)]
    coordinate = tensor.device_mesh.get_coordinate()
    if coordinate is None:
        return []
    indices = [torch.arange(size) for size in tensor.shape]
    placement: Any  # torch's base class has none of what is asked of it
    for mesh_dim, placement in enumerate(tensor.placements):
        if placement.is_partial():
            raise make("UNIMPLEMENTED", f"{name}: a DTensor of partial sums has no values of its own")
        if placement.is_replicate():
            continue
        dim = placement.dim
        # What torch itself would give to this rank, asked of the indices along one dimension.
        along = indices[dim].reshape([-1 if d == dim else 1 for d in range(tensor.ndim)])
        shards, _ = placement._split_tensor(along, tensor.device_mesh.size(mesh_dim), with_padding=False, contiguous=False)
        indices[dim] = shards[coordinate[mesh_dim]].reshape(-1)
    local = tensor.to_local()
    if tuple(local.shape) != tuple(len(index) for index in indices):
        raise make(
            "UNIMPLEMENTED",
            f"{name}: {list(tensor.placements)} give this rank {[len(index) for index in indices]} of {list(tensor.shape)}, but it "
            f"holds {list(local.shape)}; such uneven sharding is not supported: pad the dimension or use another mesh",
        )
    runs = [_runs(index.numpy()) for index in indices]
    return [
        LocalPart(tuple(run[0] for run in box), tuple(run[1] for run in box))
        for box in itertools.product(*runs)
        if all(run[0].stop > run[0].start for run in box)
    ]


def _runs(index: np.ndarray) -> list[tuple[slice, slice]]:
    """Ascending runs of consecutive indices: (in the full dimension, in the local one)."""
    cuts = np.flatnonzero(np.diff(index) != 1) + 1
    bounds = [0, *cuts.tolist(), len(index)]
    return [
        (slice(int(index[begin]), int(index[begin]) + end - begin), slice(begin, end))
        for begin, end in zip(bounds, bounds[1:])
        if end > begin
    ]
