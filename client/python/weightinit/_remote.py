"""Weights drawn by a server, received into the callers' memory."""

from __future__ import annotations

import concurrent.futures
import os
import random
import threading
import time
from typing import Any, NamedTuple, Sequence

import grpc
import numpy as np
from grpc.experimental import ChannelOptions

from . import _core
from ._grpc_errors import error_of
from ._index import Box
from ._progress import Progress
from ._receiver import Pending, Receiver
from .errors import Error, ResourceExhaustedError, UnavailableError, make
from .recipe import Recipe
from .v1 import selection_pb2, service_pb2, tensor_pb2
from .weights import Job, digest_of_array

_METHOD = "/weightinit.v1.WeightInitService/InitializeModel"
_CHANNEL_OPTIONS = [
    # Servers send up to 4 MiB of values and a header with the tensor's plan in one message.
    ("grpc.max_receive_message_length", 8 << 20),
    # A server that vanished without a word is noticed after 60 + 20 seconds. Servers count pings that come more often than
    # every 30 seconds as an attack.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.primary_user_agent", f"weightinit-python/{_core.version}"),
    # Messages are received by the thread that waits for them, without a second one in between.
    (ChannelOptions.SingleThreadedUnaryStream, 1),
]
# gRPC allocates each message three times over. glibc keeps memory of blocks as large as the largest that was ever freed, up to
# 32 MiB, and gives larger ones back to the system, which clears every page of the next one.
_KEPT_BYTES = 16 << 20
_FIRST_DELAY, _MAX_DELAY = 0.1, 5.0  # seconds between two tries
# Below this a second call costs more than it gains.
_BYTES_PER_STREAM = 8 << 20


class RemoteOptions(NamedTuple):
    """See weightinit.open."""

    check: bool
    streams: int
    timeout: float | None
    patience: float
    credentials: grpc.ChannelCredentials | None
    metadata: tuple[tuple[str, str], ...]


class RemoteSource:
    """One channel; a call for each read, which goes on where it broke."""

    def __init__(self, target: str, recipe: Recipe, options: RemoteOptions) -> None:
        self._target, self._options = target, options
        self._plan = recipe.resolved()
        self._specs = recipe.specs()
        self._recipe = recipe.message()
        self._fingerprint = self._plan.fingerprint
        self._known = False  # the server has seen the recipe: its fingerprint stands for it
        self._lock = threading.Lock()
        self._channel: grpc.Channel | None = None
        self._process = 0

    def fill(self, jobs: Sequence[Job], progress: Progress) -> None:
        pending = [self._pending(job) for job in jobs]
        lots = _lots(pending, self._options.streams)
        deadline = None if self._options.timeout is None else time.monotonic() + self._options.timeout
        stop = threading.Event()
        if len(lots) == 1:
            self._read(lots[0], progress, deadline, stop)
        elif lots:
            self._read_all(lots, progress, deadline, stop)
        for one in pending:
            one.finish()

    def digest(self, name: str, tensor: int, box: Box, dtype: int) -> int:
        from ._dtypes import NUMPY_OF_NUMBER

        array = np.empty(box.shape, NUMPY_OF_NUMBER[dtype])
        self.fill([Job(name, tensor, box, dtype, array)], Progress.NONE)
        return digest_of_array(array, dtype, self._specs[tensor].shape, box)

    def close(self) -> None:
        with self._lock:
            if self._channel is not None and self._process == os.getpid():
                self._channel.close()
            self._channel = None

    # ------------------------------------------------------------------------------------------------------------------

    def _pending(self, job: Job) -> Pending:
        """Checked by the library before anything is sent, so that refusals are those of a local read."""
        dtype, shape, base, strides = self._plan.part(job.name, job.box.dims, job.dtype)
        selection = selection_pb2.Selection(name=job.name, dtype=dtype)  # type: ignore[arg-type]
        if job.box.dims is not None:
            # Sets the box also for a tensor without dimensions.
            selection.slice.box.SetInParent()
            for start, size, step in job.box.dims:
                selection.slice.box.dims.append(tensor_pb2.Range(start=start, size=size, step=step))
        digest = _core.SliceDigest(dtype, shape, base, strides) if self._options.check else None
        return Pending(self._specs[job.tensor].name, selection, tuple(shape), job.array, digest)

    def _read_all(
        self, lots: list[list[Pending]], progress: Progress, deadline: float | None, stop: threading.Event
    ) -> None:
        with concurrent.futures.ThreadPoolExecutor(len(lots)) as pool:
            try:
                futures = [pool.submit(self._read, lot, progress, deadline, stop) for lot in lots]
                for future in concurrent.futures.as_completed(futures):
                    future.result()
            finally:
                stop.set()  # after an error or Ctrl-C the others need not go on

    def _read(self, lot: list[Pending], progress: Progress, deadline: float | None, stop: threading.Event) -> None:
        """Calls until everything is there. A failure that may pass is waited out as long as bytes come now and then."""
        delay, last_byte = _FIRST_DELAY, time.monotonic()
        left = [one for one in lot if not one.complete]
        while left and not stop.is_set():
            before, by_fingerprint = sum(one.done for one in left), self._known
            try:
                self._call(left, by_fingerprint, progress, deadline, stop)
            except Error as error:
                now = time.monotonic()
                if sum(one.done for one in left) > before:
                    delay, last_byte = _FIRST_DELAY, now
                if error.reason == "RECIPE_UNKNOWN" and by_fingerprint:
                    self._known = False  # a server that has restarted, or another one behind the same name
                    continue
                wait = max(delay * random.uniform(0.5, 1.0), error.retry_after or 0)
                if not _may_pass(error) or now + wait - last_byte > self._options.patience:
                    raise
                if deadline is not None and now + wait > deadline:
                    raise make("DEADLINE_EXCEEDED", f"{self._target}: timeout while waiting for: {error}") from error
                if stop.wait(wait):
                    return
                delay = min(2 * delay, _MAX_DELAY)
            left = [one for one in left if not one.complete]

    def _call(
        self, left: list[Pending], by_fingerprint: bool, progress: Progress, deadline: float | None, stop: threading.Event
    ) -> None:
        request = service_pb2.InitializeModelRequest()
        if by_fingerprint:
            request.fingerprint = self._fingerprint
        else:
            request.recipe.CopyFrom(self._recipe)
        for one in left:
            one.selection.first_byte = one.done
            request.selections.append(one.selection)
        request.check.digest = self._options.check
        receiver = Receiver(left, self._fingerprint, self._options.check)
        timeout = None if deadline is None else max(deadline - time.monotonic(), 0)
        # Messages come as they are on the wire: Receiver takes the values out of them without a copy of their own.
        method: Any = self._connect().unary_stream(_METHOD, request_serializer=lambda message: message.SerializeToString())
        call = method(request, timeout=timeout, metadata=self._options.metadata)
        try:
            for message in call:
                progress.add(receiver.take(message))
                self._known = True
                if stop.is_set():
                    return
        except grpc.RpcError as error:
            raise error_of(error, self._target, receiver.bytes_taken) from None
        finally:
            call.cancel()
        receiver.finish()

    def _connect(self) -> grpc.Channel:
        with self._lock:
            if self._channel is None or self._process != os.getpid():  # a channel does not outlive a fork
                credentials = self._options.credentials
                if credentials is None:
                    self._channel = grpc.insecure_channel(self._target, options=_CHANNEL_OPTIONS)
                else:
                    self._channel = grpc.secure_channel(self._target, credentials, options=_CHANNEL_OPTIONS)
                self._process = os.getpid()
                bytearray(_KEPT_BYTES)  # freed at once; its pages are never touched
            return self._channel


def _may_pass(error: Error) -> bool:
    return isinstance(error, UnavailableError) or (
        isinstance(error, ResourceExhaustedError) and error.reason == "SERVER_BUSY"
    )


def _lots(pending: list[Pending], streams: int) -> list[list[Pending]]:
    """Lots of about equal size, neighbours together: one for each call."""
    total = sum(one.size for one in pending)
    count = max(1, min(streams, len(pending), total // _BYTES_PER_STREAM))
    lots: list[list[Pending]] = [[] for _ in range(count)]
    before = 0
    for one in pending:
        middle = before + one.size // 2
        lots[min(count - 1, middle * count // max(total, 1))].append(one)
        before += one.size
    return [lot for lot in lots if lot]
