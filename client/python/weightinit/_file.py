"""Weights read from a checkpoint that ``weightinit model`` wrote: one .safetensors file, or a folder of them."""

from __future__ import annotations

import os
from typing import NamedTuple, Sequence

import numpy as np

from . import _core
from ._dtypes import NAME_OF_NUMBER, NUMPY_OF_NUMBER
from ._index import Box
from ._progress import Progress
from .errors import Error, make
from .recipe import Recipe, Resolved
from .weights import Job, digest_of_array


def is_checkpoint(path: str) -> bool:
    """A file's name, that of an index of shards, or a folder that is there."""
    return path.endswith((".safetensors", ".safetensors.index.json")) or os.path.isdir(path)


class _Entry(NamedTuple):
    file: str
    dtype: int
    shape: tuple[int, ...]
    begin: int
    end: int


class FileSource:
    """Files mapped into memory: a slice reads the pages that it touches."""

    def __init__(self, path: str, recipe: Recipe, check: bool) -> None:
        self._path, self._specs = path, recipe.specs()
        self._entries: dict[str, _Entry] = {}
        self._mapped: dict[str, np.ndarray] = {}
        for file, metadata, tensors in _core.open_checkpoint(path):
            _check_recipe(file, metadata, recipe.fingerprint, check)
            self._entries.update((name, _Entry(file, dtype, shape, begin, end)) for name, dtype, shape, begin, end in tensors)
        for spec in self._specs:
            self._check_tensor(self._specs[spec.origin])  # writers leave tied tensors out

    def _check_tensor(self, spec: Resolved) -> None:
        held = self._entries.get(spec.name)
        if held is None:
            raise _other(self._path, f"has no tensor '{spec.name}'")
        if (held.dtype, held.shape) != (spec.dtype, spec.shape):
            what = f"{NAME_OF_NUMBER.get(held.dtype, 'another type')} {list(held.shape)}"
            wanted = f"{NAME_OF_NUMBER[spec.dtype]} {list(spec.shape)}"
            raise _other(held.file, f"holds '{spec.name}' as {what}; the recipe has {wanted}")

    def fill(self, jobs: Sequence[Job], progress: Progress) -> None:
        parts = [self._part(job.tensor, job.box, job.dtype) for job in jobs]
        for job, part in zip(jobs, parts):
            np.copyto(job.array, part)
            progress.add(job.array.nbytes)

    def digest(self, name: str, tensor: int, box: Box, dtype: int) -> int:
        return digest_of_array(self._part(tensor, box, dtype), dtype, self._specs[tensor].shape, box)

    def _part(self, tensor: int, box: Box, dtype: int) -> np.ndarray:
        name = self._specs[self._specs[tensor].origin].name
        held = self._entries[name]
        if dtype != held.dtype:
            raise make(
                "UNIMPLEMENTED",
                f"{held.file}: holds '{name}' in {NAME_OF_NUMBER[held.dtype]}; a draw in {NAME_OF_NUMBER[dtype]} is to be had "
                "from this process or a server",
            )
        whole: np.ndarray = self._bytes_of(held.file)[held.begin : held.end].view(NUMPY_OF_NUMBER[held.dtype]).reshape(held.shape)
        if box.dims is None or box.kept is None:
            return whole
        index = [
            slice(start, start + size * step, step) if kept else start for (start, size, step), kept in zip(box.dims, box.kept)
        ]
        part: np.ndarray = whole[tuple(index)]
        return part

    def _bytes_of(self, file: str) -> np.ndarray:
        if file not in self._mapped:
            self._mapped[file] = np.memmap(file, np.uint8, mode="r")
        return self._mapped[file]

    def close(self) -> None:
        self._mapped = {}


def _check_recipe(file: str, metadata: dict[str, str], wanted: str, check: bool) -> None:
    given = metadata.get("weightinit.fingerprint")
    if given is None and check:
        raise _other(file, "does not say which recipe's weights it holds (no weightinit.fingerprint); check=False takes it")
    if given is not None and given != wanted:
        raise _other(file, f"holds the weights of another recipe: fingerprint {given}, not {wanted}")


def _other(file: str, what: str) -> Error:
    return make("FAILED_PRECONDITION", f"{file}: {what}")
