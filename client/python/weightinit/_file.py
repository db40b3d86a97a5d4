"""Weights read from a .safetensors file that ``weightinit model`` wrote."""

from __future__ import annotations

from typing import Sequence

import numpy as np

from . import _core
from ._dtypes import NAME_OF_NUMBER, NUMPY_OF_NUMBER
from ._index import Box
from ._progress import Progress
from .errors import make
from .recipe import Recipe, Resolved
from .weights import Job, digest_of_array


class FileSource:
    """A file mapped into memory: a slice reads the pages that it touches."""

    def __init__(self, path: str, recipe: Recipe, check: bool) -> None:
        self._path, self._specs = path, recipe.specs()
        metadata, tensors = _core.read_safetensors(path)
        self._check_recipe(metadata, recipe.fingerprint, check)
        self._entries = {name: (dtype, shape, begin, end) for name, dtype, shape, begin, end in tensors}
        for spec in self._specs:
            self._check_tensor(self._specs[spec.origin])  # writers leave tied tensors out
        self._bytes = np.memmap(path, np.uint8, mode="r")

    def _check_recipe(self, metadata: dict[str, str], wanted: str, check: bool) -> None:
        given = metadata.get("weightinit.fingerprint")
        if given is None and check:
            raise self._other("does not say which recipe's weights it holds (no weightinit.fingerprint); check=False takes it")
        if given is not None and given != wanted:
            raise self._other(f"holds the weights of another recipe: fingerprint {given}, not {wanted}")

    def _check_tensor(self, spec: Resolved) -> None:
        name, shape, dtype, _ = spec
        if name not in self._entries:
            raise self._other(f"has no tensor '{name}'")
        held_dtype, held_shape, _, _ = self._entries[name]
        if (held_dtype, held_shape) != (dtype, shape):
            held = f"{NAME_OF_NUMBER.get(held_dtype, 'another type')} {list(held_shape)}"
            raise self._other(f"holds '{name}' as {held}; the recipe has {NAME_OF_NUMBER[dtype]} {list(shape)}")

    def _other(self, what: str) -> Exception:
        return make("FAILED_PRECONDITION", f"{self._path}: {what}")

    def fill(self, jobs: Sequence[Job], progress: Progress) -> None:
        parts = [self._part(job.tensor, job.box, job.dtype) for job in jobs]
        for job, part in zip(jobs, parts):
            np.copyto(job.array, part)
            progress.add(job.array.nbytes)

    def digest(self, name: str, tensor: int, box: Box, dtype: int) -> int:
        return digest_of_array(self._part(tensor, box, dtype), dtype, self._specs[tensor].shape, box)

    def _part(self, tensor: int, box: Box, dtype: int) -> np.ndarray:
        name, shape, _, _ = self._specs[self._specs[tensor].origin]
        held, _, begin, end = self._entries[name]
        if dtype != held:
            raise make(
                "UNIMPLEMENTED",
                f"{self._path}: holds '{name}' in {NAME_OF_NUMBER[held]}; a draw in {NAME_OF_NUMBER[dtype]} is to be had from "
                "this process or a server",
            )
        whole = self._bytes[begin:end].view(NUMPY_OF_NUMBER[held]).reshape(shape)
        if box.dims is None:
            return whole
        index = [
            slice(start, start + size * step, step) if kept else start for (start, size, step), kept in zip(box.dims, box.kept)
        ]
        return whole[tuple(index)]

    def close(self) -> None:
        self._bytes = np.empty(0, np.uint8)
