"""How a read is divided into calls: a large one into several, so that several connections carry it at once."""

from __future__ import annotations

import math
from typing import Sequence

import numpy as np

from . import _core
from ._memory import address_of
from .v1 import selection_pb2

# Below this a second call costs more than it gains.
_LEAST_BYTES = 8 << 20
# Of one of several calls at once: all end at about the same time.
_MOST_BYTES = 32 << 20
# Tensors are cut in whole messages of any server: 4 MiB is the largest.
_CUT_BYTES = 4 << 20


class Selected:
    """What is asked for of one tensor, and the memory that it goes to."""

    def __init__(
        self,
        name: str,
        selection: selection_pb2.Selection,
        shape: tuple[int, ...],
        target: np.ndarray,
        digest: _core.SliceDigest | None,
        is_made_whole: bool = False,
    ) -> None:
        self.name, self.selection, self.shape, self.digest = name, selection, shape, digest
        # A server may have to make all of such a tensor for each call.
        self.is_made_whole = is_made_whole
        self.element = target.dtype.itemsize
        self.size = math.prod(shape) * self.element
        self._target = target
        # Chunks come in row-major order: a target in another order is filled at the end.
        self._contiguous = target if target.flags.c_contiguous else np.empty(target.shape, target.dtype)
        self.bytes = self._contiguous.reshape(-1).view(np.uint8)

    def finish(self) -> None:
        if self._contiguous is not self._target:
            self._target[...] = self._contiguous


class Part:
    """Consecutive bytes of a selection, and how much of them has come. All positions are whole elements."""

    __slots__ = ("of", "first", "done", "end", "digest", "complete")

    def __init__(self, of: Selected, first: int, end: int) -> None:
        self.of, self.end = of, end
        self.first = first
        """Where this call began: what came before it is checked."""
        self.done = first
        self.digest = 0
        """Of [first, done), not reduced; 0 where none is computed."""
        self.complete = False

    def put(self, values: memoryview) -> None:
        """The next values."""
        begin, received = self.done, np.frombuffer(values, np.uint8)
        self.of.bytes[begin : begin + received.size] = received
        self.done += received.size
        if self.of.digest is not None:
            self.digest += self.of.digest.of(begin // self.of.element, address_of(received), received.size)

    def checked(self) -> None:
        """What has come is the server's."""
        self.first, self.digest = self.done, 0

    def rest(self, by_fingerprint: bool) -> selection_pb2.Selection:
        return self._selection(self.done, self.end, by_fingerprint)

    def unchecked(self, by_fingerprint: bool) -> selection_pb2.Selection:
        return self._selection(self.first, self.done, by_fingerprint)

    def _selection(self, first: int, end: int, by_fingerprint: bool) -> selection_pb2.Selection:
        selection = selection_pb2.Selection()
        selection.CopyFrom(self.of.selection)
        if by_fingerprint:  # which knows of no renames
            selection.name = self.of.name
        selection.first_byte, selection.byte_count = first, end - first
        return selection


def batches_of(selected: Sequence[Selected], streams: int) -> list[list[Part]]:
    """All bytes of all selections, once, in order. A batch is what one call asks for: one for one stream or little to read, else
    several for each stream."""
    total = sum(one.size for one in selected)
    count = min(streams, total // _LEAST_BYTES)
    if count < 2:
        return [[Part(one, 0, one.size) for one in selected]] if selected else []
    batches: list[list[Part]] = []
    room = 0  # in the last batch
    for one in selected:
        done = 0
        while True:
            if room <= 0:
                batches.append([])
                room = min(_MOST_BYTES, -(-total // count))
            # Whole cuts, so that a batch may be overfilled by less than one.
            most = one.size if one.is_made_whole else -(-room // _CUT_BYTES) * _CUT_BYTES
            end = min(one.size, done + most)
            batches[-1].append(Part(one, done, end))
            room -= end - done
            if end == one.size:
                break
            done = end
    return batches
