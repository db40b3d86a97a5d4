"""Errors of calls as the library's own, with the details that servers send (weightinit/v1/error_details.proto)."""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf.message import DecodeError

from .errors import Error, make
from .v1 import error_details_pb2

# What broke on the way needs to say where. The library's refusals speak for themselves.
_OF_THE_WAY = {"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "UNKNOWN", "INTERNAL"}


def error_of(error: grpc.RpcError, target: str, bytes_taken: int) -> Error:
    code, message = error.code().name, error.details() or ""
    violations: list[tuple[str, str]] = []
    reason, retry_after = "", None
    for detail in _details(error):
        name = detail.type_url.rpartition(".")[2]
        if name == "BadRequest":
            bad = error_details_pb2.BadRequest.FromString(detail.value)
            violations = [(violation.field, violation.description) for violation in bad.field_violations]
        elif name == "ErrorInfo":
            reason = error_details_pb2.ErrorInfo.FromString(detail.value).reason
        elif name == "RetryInfo":
            delay = error_details_pb2.RetryInfo.FromString(detail.value).retry_delay
            retry_after = delay.seconds + delay.nanos / 1e9
    if code in _OF_THE_WAY:
        after = f"the connection broke after {bytes_taken} bytes: " if bytes_taken and code == "UNAVAILABLE" else ""
        message = f"{after}{target}: {message}"
    return make(code, message, violations, reason, retry_after)


def _details(error: grpc.RpcError) -> list[Any]:
    """Details that cannot be read are left out; code and text always arrive."""
    metadata: Any = error.trailing_metadata() or ()
    for key, value in metadata:
        if key == "grpc-status-details-bin":
            try:
                return list(error_details_pb2.ErrorStatus.FromString(value).details)
            except DecodeError:
                return []
    return []
