"""Checks the chunks of a server against what was asked for, and puts their values in place.

A server is not trusted: a header that says another shape, type or size, chunks that leave gaps, overlap, repeat, go too far or
are missing, and values whose digest is not the one in the trailer all end the read. Nothing is allocated from what a chunk
says.
"""

from __future__ import annotations

from ._parts import Part, Selected
from .errors import Error, make
from .v1 import service_pb2

_VALUES_TAG = (service_pb2.WeightChunk.VALUES_FIELD_NUMBER << 3) | 2  # length-delimited


class Receiver:
    """Takes the chunks of one call, which asked for the rest of each part, in order."""

    def __init__(self, parts: list[Part], fingerprint: bytes, check: bool) -> None:
        self._parts, self._fingerprint, self._check = parts, fingerprint, check
        self._current = 0
        self._begun = False
        self.bytes_taken = 0

    def take(self, message: bytes) -> int:
        """The next message. Returns the bytes of values in it.

        Raises:
            DataLossError: a chunk that is not the next one.
            FailedPreconditionError: a server that resolves the recipe to other numbers.
        """
        chunk, values = split_chunk(message)
        if self._current == len(self._parts):
            raise self._broken("chunks after the last one")
        if chunk.selection != self._current:
            raise self._broken(f"a chunk of selection {chunk.selection} where selection {self._current} belongs")
        one = self._parts[self._current]
        if chunk.HasField("header") == self._begun:
            raise self._broken("a second header" if self._begun else "a first chunk without header")
        if not self._begun:
            self._check_header(one.of, chunk.header)
            self._begun = True
        if chunk.byte_offset != one.done:
            raise self._broken(f"a chunk at byte {chunk.byte_offset} where byte {one.done} belongs")
        if len(values) > one.end - one.done:
            raise self._broken("more bytes than asked for")
        if len(values) % one.of.element != 0:
            raise self._broken("a chunk that cuts an element")
        # An endless stream of empty chunks would keep us here for ever.
        if not values and not chunk.HasField("trailer") and not chunk.HasField("header"):
            raise self._broken("a chunk without values")
        if values:
            one.put(values)
            self.bytes_taken += len(values)
        if chunk.HasField("trailer"):
            self._end(one, chunk.trailer)
        return len(values)

    def finish(self) -> None:
        """After the last message. Raises DataLossError when something is missing."""
        if self._current < len(self._parts):
            raise self._broken("the stream ends in the middle" if self._begun else "it is missing")

    def _check_header(self, one: Selected, header: service_pb2.TensorHeader) -> None:
        if header.name != one.name:
            raise self._broken(f"the header names {header.name!r}")
        if tuple(header.shape) != one.shape:
            raise self._broken(f"the header has another shape than {list(one.shape)}")
        if header.dtype != one.selection.dtype:
            raise self._broken("the header has another dtype")
        if header.total_bytes != one.size:
            raise self._broken(f"the header says {header.total_bytes} bytes, not {one.size}")
        if header.fingerprint != self._fingerprint:
            raise make(
                "FAILED_PRECONDITION",
                f"the server (version {header.server_version!r}) resolves this recipe to other numbers than this client; use the "
                "same version of both",
            )

    def _end(self, one: Part, trailer: service_pb2.TensorTrailer) -> None:
        if one.done != one.end:
            raise self._broken(f"it ends {one.end - one.done} bytes too early")
        if self._check and not trailer.HasField("digest"):
            raise self._broken("the digest that was asked for is missing")
        if self._check and trailer.digest != one.digest % 2**64:
            raise self._broken("the digest of the bytes is not the server's")
        one.checked()
        one.complete = True
        self._begun = False
        self._current += 1

    def _broken(self, what: str) -> Error:
        name = f"tensor '{self._parts[self._current].of.name}': " if self._current < len(self._parts) else ""
        return make("DATA_LOSS", f"the server's answer is not what was asked for: {name}{what}")


def split_chunk(message: bytes) -> tuple[service_pb2.WeightChunk, memoryview]:
    """A serialized chunk without its values, and the values where they lie. Servers write them last.

    Raises DataLossError for what is no chunk.
    """
    try:
        at = _values_at(message)
        chunk = service_pb2.WeightChunk.FromString(message[: at[0]])
    except Exception:  # protobuf's implementations raise different classes
        raise make("DATA_LOSS", "the server's answer is not what was asked for: not a chunk") from None
    if chunk.values:  # in another place than the last: allowed on the wire
        return chunk, memoryview(chunk.values)
    return chunk, memoryview(message)[at[1] :]


def _values_at(message: bytes) -> tuple[int, int]:
    """(where the field `values` begins, where its bytes begin) if it is the last; the length twice if not."""
    at, end = 0, len(message)
    while at < end:
        field = at
        tag, at = _varint(message, at)
        if tag & 7 == 2:
            size, at = _varint(message, at)
            if tag == _VALUES_TAG and at + size == end:
                return field, at
            at += size
        elif tag & 7 == 0:
            _, at = _varint(message, at)
        else:
            at += 8 if tag & 7 == 1 else 4
    return end, end


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
