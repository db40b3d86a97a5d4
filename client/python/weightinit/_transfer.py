"""A read from a server: several calls at once, each taken up where it broke, all values checked.

What came before a break has no trailer; its digest is asked for by itself, by Summarize.
"""

from __future__ import annotations

import collections
import concurrent.futures
import random
import threading
import time
from typing import Any, Callable

import grpc

from ._grpc_errors import error_of
from ._parts import Part
from ._progress import Progress
from ._receiver import Receiver
from ._server import Server
from .errors import (
    DataLossError, Error, FailedPreconditionError, InvalidArgumentError, NotFoundError, ResourceExhaustedError, UnavailableError, make,
)  # fmt: skip
from .v1 import recipe_pb2, service_pb2, summary_pb2

_SERVICE = "/weightinit.v1.WeightInitService/"
_FIRST_DELAY, _MAX_DELAY = 0.1, 5.0  # seconds between two tries
# What a server may say to a fingerprint that it would not say to the recipe: that it knows none, or knows it by a recipe that
# renames tensors in another way.
_MISREAD = (FailedPreconditionError, NotFoundError, InvalidArgumentError, DataLossError)


class Transfer:
    """One read. Each worker has a channel of its own and takes batches until there are none."""

    def __init__(self, server: Server, recipe: recipe_pb2.Recipe, fingerprint: bytes, batches: list[list[Part]], progress: Progress) -> None:
        self._server, self._recipe, self._fingerprint, self._progress = server, recipe, fingerprint, progress
        self._options = server.options
        self._deadline = None if self._options.timeout is None else time.monotonic() + self._options.timeout
        self._stopped = threading.Event()
        self._lock = threading.Lock()  # guards what follows
        self._batches = collections.deque(batches)
        self._workers = 0
        self._calls: set[Any] = set()
        self._something_came = False

    def run(self, streams: int) -> None:
        """Raises the first error, which ends all calls; so does Ctrl-C."""
        self._workers = min(streams, len(self._batches))
        if self._workers <= 1:
            self._work(0)
            return
        with concurrent.futures.ThreadPoolExecutor(self._workers) as pool:
            try:
                futures = [pool.submit(self._work, number) for number in range(self._workers)]
                for future in concurrent.futures.as_completed(futures):
                    future.result()
            finally:
                self._stop()

    def _stop(self) -> None:
        self._stopped.set()
        with self._lock:
            for call in self._calls:
                call.cancel()

    def _work(self, number: int) -> None:
        channel = self._server.channel(number)
        while (batch := self._next()) is not None:
            if not self._read(channel, batch):
                return

    def _next(self) -> list[Part] | None:
        with self._lock:
            if self._batches and not self._stopped.is_set():
                return self._batches.popleft()
            self._workers -= 1
            return None

    def _leave(self, batch: list[Part]) -> bool:
        """Leaves the batch to the others, if there are any."""
        with self._lock:
            if self._workers == 1:
                return False
            self._batches.appendleft(batch)
            self._workers -= 1
            return True

    def _read(self, channel: grpc.Channel, batch: list[Part]) -> bool:
        """Calls until everything is there; False if that is left to others. A failure that may pass is waited out as long as
        bytes come now and then."""
        delay, last_byte = _FIRST_DELAY, time.monotonic()
        while batch and not self._stopped.is_set():
            before = _done(batch)
            try:
                self._try(channel, batch)
                return True
            except Error as error:
                now = time.monotonic()
                if _done(batch) > before:
                    delay, last_byte = _FIRST_DELAY, now
                batch = [part for part in batch if not part.complete]
                if not batch:  # all came, with trailers: what the call says is late
                    return True
                if _is_busy(error) and self._leave(batch):  # it still answers those that it has let in
                    return False
                wait = max(delay * random.uniform(0.5, 1.0), error.retry_after or 0)
                if not self._may_pass(error) or now + wait - last_byte > self._options.patience:
                    raise
                if self._deadline is not None and now + wait > self._deadline:
                    raise make("DEADLINE_EXCEEDED", f"{self._server.target}: timeout while waiting for: {error}") from error
                self._stopped.wait(wait)
                delay = min(2 * delay, _MAX_DELAY)
        return True

    def _may_pass(self, error: Error) -> bool:
        """Whether another try may go better: nobody is there, somebody is busy, or a connection that carried something broke."""
        is_break = self._something_came and error.code in ("CANCELLED", "INTERNAL", "UNKNOWN") and not error.reason
        return isinstance(error, UnavailableError) or _is_busy(error) or is_break

    def _try(self, channel: grpc.Channel, batch: list[Part]) -> None:
        if self._options.check:
            for part in batch:
                if part.done > part.first:
                    self._ask(batch, lambda by_fingerprint: self._check(channel, part, by_fingerprint))
        self._ask(batch, lambda by_fingerprint: self._receive(channel, batch, by_fingerprint))

    def _ask(self, batch: list[Part], call: Callable[[bool], None]) -> None:
        """One call, and another with the recipe itself where the first named it in vain."""
        if self._server.knows_recipe:
            before = _done(batch)
            try:
                return call(True)
            except _MISREAD:
                if _done(batch) > before:
                    raise
            self._server.knows_recipe = False  # it has restarted, or is another one behind the same name
        return call(False)

    def _receive(self, channel: grpc.Channel, batch: list[Part], by_fingerprint: bool) -> None:
        request = service_pb2.InitializeModelRequest(selections=[part.rest(by_fingerprint) for part in batch])
        request.check.digest = self._options.check
        receiver = Receiver(batch, self._fingerprint, self._options.check)

        def take(message: bytes) -> None:
            self._progress.add(receiver.take(message))
            self._server.knows_recipe = self._something_came = True

        try:
            self._call(channel, "InitializeModel", request, by_fingerprint, take)
        except grpc.RpcError as error:
            raise error_of(error, self._server.target, receiver.bytes_taken) from None
        if not self._stopped.is_set():
            receiver.finish()

    def _check(self, channel: grpc.Channel, part: Part, by_fingerprint: bool) -> None:
        """What came of it before the connection broke."""
        request = summary_pb2.SummarizeRequest(selections=[part.unchecked(by_fingerprint)], histogram_bins=0)
        digests = []
        try:
            self._call(
                channel, "Summarize", request, by_fingerprint,
                lambda message: digests.append(summary_pb2.SummarizeResponse.FromString(message).digest),
            )  # fmt: skip
        except grpc.RpcError as error:
            raise error_of(error, self._server.target, 0) from None
        if self._stopped.is_set():
            return
        if digests != [part.digest % 2**64]:
            raise make("DATA_LOSS", f"tensor '{part.of.name}': the digest of what came before the connection broke is not the server's")
        part.checked()

    def _call(self, channel: grpc.Channel, method: str, request: Any, by_fingerprint: bool, take: Callable[[bytes], None]) -> None:
        if by_fingerprint:
            request.fingerprint = self._fingerprint
        else:
            request.recipe.CopyFrom(self._recipe)
        timeout = None if self._deadline is None else max(self._deadline - time.monotonic(), 0)
        # Messages come as they are on the wire: values are taken out of them without a copy of their own.
        start: Any = channel.unary_stream(_SERVICE + method, request_serializer=lambda message: message.SerializeToString())
        call = start(request, timeout=timeout, metadata=self._options.metadata)
        with self._lock:
            self._calls.add(call)
        try:
            for message in call:
                if self._stopped.is_set():
                    return
                take(message)
        except grpc.RpcError:
            if not self._stopped.is_set():
                raise
        finally:
            with self._lock:
                self._calls.discard(call)
            call.cancel()


def _done(batch: list[Part]) -> int:
    return sum(part.done for part in batch)


def _is_busy(error: Error) -> bool:
    return isinstance(error, ResourceExhaustedError) and error.reason == "SERVER_BUSY"
