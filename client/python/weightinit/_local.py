"""Weights drawn by this process."""

from __future__ import annotations

from typing import Sequence

from . import _core
from ._index import Box
from ._memory import address_of, byte_strides_of
from ._progress import Progress
from .weights import Job


class LocalSource:
    """The library, on threads of its own. The GIL is released while it draws; Ctrl-C ends a draw within a tenth of a second,
    what was drawn stays in the array."""

    def __init__(self, plan: _core.Plan, threads: int, cache_bytes: int) -> None:
        self._plan = plan
        self._engine = _core.Engine(threads, cache_bytes)

    def fill(self, jobs: Sequence[Job], progress: Progress) -> None:
        requests = [
            (job.name, job.box.dims, job.dtype, address_of(job.array), byte_strides_of(job.array, job.box)) for job in jobs
        ]
        _core.draw(self._plan, self._engine, requests, progress.reach if progress.shown else None)
        if progress.shown:
            progress.reach(sum(job.array.nbytes for job in jobs))

    def digest(self, name: str, tensor: int, box: Box, dtype: int) -> int:
        return _core.draw_digest(self._plan, self._engine, name, box.dims, dtype)

    def close(self) -> None:
        self._engine.close()
