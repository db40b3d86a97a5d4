"""Weights drawn by a server, received into the callers' memory."""

from __future__ import annotations

import os
from typing import Sequence

import numpy as np

from . import _core
from ._dtypes import NUMPY_OF_NUMBER
from ._index import Box
from ._parts import Selected, batches_of
from ._progress import Progress
from ._server import RemoteOptions, Server
from ._transfer import Transfer
from .recipe import Recipe
from .v1 import selection_pb2, tensor_pb2
from .weights import Job, digest_of_array

# More do not help one reader: gRPC copies what comes while it holds the GIL.
_MOST_STREAMS = 4


class RemoteSource:
    """A server. The library checks what is asked for before anything is sent, so that refusals are those of a local read."""

    def __init__(self, target: str, recipe: Recipe, options: RemoteOptions) -> None:
        self._server = Server(target, options)
        self._plan = recipe.resolved()
        self._specs = recipe.specs()
        self._recipe = recipe.message()
        self._streams = options.streams or min(_MOST_STREAMS, os.cpu_count() or 1)

    def fill(self, jobs: Sequence[Job], progress: Progress) -> None:
        selected = [self._select(job) for job in jobs]
        batches = batches_of(selected, self._streams)
        Transfer(self._server, self._recipe, self._plan.fingerprint, batches, progress).run(self._streams)
        for one in selected:
            one.finish()

    def digest(self, name: str, tensor: int, box: Box, dtype: int) -> int:
        array = np.empty(box.shape, NUMPY_OF_NUMBER[dtype])
        self.fill([Job(name, tensor, box, dtype, array)], Progress.NONE)
        return digest_of_array(array, dtype, self._specs[tensor].shape, box)

    def close(self) -> None:
        self._server.close()

    def _select(self, job: Job) -> Selected:
        dtype, shape, base, strides = self._plan.part(job.name, job.box.dims, job.dtype)
        selection = selection_pb2.Selection(name=job.name, dtype=dtype)  # type: ignore[arg-type]
        if job.box.dims is not None:
            # Sets the box also for a tensor without dimensions.
            selection.slice.box.SetInParent()
            for start, size, step in job.box.dims:
                selection.slice.box.dims.append(tensor_pb2.Range(start=start, size=size, step=step))
        digest = _core.SliceDigest(dtype, shape, base, strides) if self._server.options.check else None
        is_made_whole = self._plan.is_made_whole(job.tensor)
        return Selected(self._specs[job.tensor].name, selection, tuple(shape), job.array, digest, is_made_whole)
