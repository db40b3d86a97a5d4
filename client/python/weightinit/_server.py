"""Connections to a server."""

from __future__ import annotations

import os
import threading
from typing import NamedTuple

import grpc
from grpc.experimental import ChannelOptions

from . import _core
from .errors import refuse

_CHANNEL_OPTIONS = [
    # Servers send up to 4 MiB of values and a header with the tensor's plan in one message.
    ("grpc.max_receive_message_length", 8 << 20),
    # A server that vanished without a word is noticed after 60 + 20 seconds. Servers count pings that come more often than
    # every 30 seconds as an attack.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.primary_user_agent", f"weightinit-python/{_core.version}"),
    # A connection for each channel: gRPC reads each by one thread.
    ("grpc.use_local_subchannel_pool", 1),
    # A server that is back is found soon; by default gRPC looks again after 1 to 120 seconds.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2000),
    # Messages are received by the thread that waits for them, without a second one in between.
    (ChannelOptions.SingleThreadedUnaryStream, 1),
    # Of several addresses all are used, and the others when one is gone.
    ("grpc.lb_policy_name", "round_robin"),
]
# Of several, one that says NOT_SERVING is passed over. A single host:port answers for itself, and may be a proxy for others.
_SEVERAL = ("dns:", "ipv4:", "ipv6:")
_HEALTH_CHECKED = ("grpc.service_config", '{"healthCheckConfig": {"serviceName": "weightinit.v1.WeightInitService"}}')
# gRPC allocates each message three times over. glibc keeps memory of blocks as large as the largest that was ever freed, up to
# 32 MiB, and gives larger ones back to the system, which clears every page of the next one.
_KEPT_BYTES = 16 << 20


class RemoteOptions(NamedTuple):
    """See weightinit.open."""

    check: bool
    streams: int
    timeout: float | None
    patience: float
    credentials: grpc.ChannelCredentials | None
    metadata: tuple[tuple[str, str], ...]


class Server:
    """An address, the connections to it, and whether it has seen the recipe: then its fingerprint stands for it."""

    def __init__(self, target: str, options: RemoteOptions) -> None:
        if not isinstance(options.credentials, (grpc.ChannelCredentials, type(None))):
            raise TypeError(f"credentials are grpc.ChannelCredentials, not {type(options.credentials).__name__}")
        for pair in options.metadata:
            if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str) and isinstance(pair[1], (str, bytes))):
                raise TypeError(f"metadata are pairs of a key and a text; not {pair!r:.80}")
            if pair[0] != pair[0].lower():
                raise refuse("metadata", f"'{pair[0]}': keys are in lower case")
        self.target, self.options = target, options
        self.knows_recipe = False
        self._lock = threading.Lock()
        self._channels: dict[int, grpc.Channel] = {}
        self._process = 0

    def channel(self, number: int) -> grpc.Channel:
        """One for each of the streams at once."""
        with self._lock:
            if self._process != os.getpid():  # a channel does not outlive a fork
                self._channels, self._process = {}, os.getpid()
                bytearray(_KEPT_BYTES)  # freed at once; its pages are never touched
            if number not in self._channels:
                self._channels[number] = self._connect()
            return self._channels[number]

    def _connect(self) -> grpc.Channel:
        options = [*_CHANNEL_OPTIONS, *([_HEALTH_CHECKED] if self.target.startswith(_SEVERAL) else [])]
        if self.options.credentials is None:
            return grpc.insecure_channel(self.target, options=options)
        return grpc.secure_channel(self.target, self.options.credentials, options=options)

    def close(self) -> None:
        with self._lock:
            if self._process == os.getpid():
                for channel in self._channels.values():
                    channel.close()
            self._channels = {}
