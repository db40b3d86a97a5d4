"""What can go wrong: one hierarchy, the same whether weights come from this process, a server or a file.

Every class but :class:`Error` also derives from the built-in exception that code without weightinit in mind would catch.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Sequence


class FieldViolation(NamedTuple):
    """A field of the recipe or request that is wrong, and how."""

    field: str
    """Its path, indices from 0: ``"tensors[3].init.sparse.sparsity"``."""
    description: str
    """What was given and what is allowed: ``"1.5 is outside [0, 1]"``."""


class Error(Exception):
    """The base of all errors of weightinit, and what has no class of its own.

    Attributes:
        code: the gRPC status code in words: ``"INVALID_ARGUMENT"``.
        message: the text, which begins with the file and line where there is one.
        violations: the fields that are wrong; at most 20, empty where no field is to blame.
        reason: a constant word that programs may compare (``"SERVER_BUSY"``); empty where there is none.
        retry_after: seconds that a server asks to wait before the next try, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "UNKNOWN",
        violations: Sequence[FieldViolation] = (),
        reason: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.violations = tuple(violations)
        self.reason = reason
        self.retry_after = retry_after

    # KeyError would show the text in quotes.
    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return (make, (self.code, self.message, self.violations, self.reason, self.retry_after))


class InvalidArgumentError(Error, ValueError):
    """A recipe, tensor or request that the library refuses."""


class NotFoundError(Error, KeyError):
    """A name that no tensor has, with the nearest names; or no such file."""


class FailedPreconditionError(Error):
    """Tensors that no rule covers, rules that match nothing, or a file or server that holds other weights than the recipe's."""


class ResourceExhaustedError(Error):
    """A limit of the server, with the flag that sets it; a busy server; or not enough memory."""


class UnsupportedError(Error, NotImplementedError):
    """A part of the API that this version, or this source, does not do."""


class UnavailableError(Error, ConnectionError):
    """No server answers, or the connection broke and did not come back in time."""


class DeadlineExceededError(Error, TimeoutError):
    """The timeout has passed."""


class UnauthenticatedError(Error, PermissionError):
    """The server asks for credentials, or for other ones."""


class DataLossError(Error):
    """An answer or a file that is not what was asked for: gaps, other bytes than its digest says."""


_CLASSES = {
    "INVALID_ARGUMENT": InvalidArgumentError,
    "NOT_FOUND": NotFoundError,
    "FAILED_PRECONDITION": FailedPreconditionError,
    "RESOURCE_EXHAUSTED": ResourceExhaustedError,
    "UNIMPLEMENTED": UnsupportedError,
    "UNAVAILABLE": UnavailableError,
    "DEADLINE_EXCEEDED": DeadlineExceededError,
    "UNAUTHENTICATED": UnauthenticatedError,
    "PERMISSION_DENIED": UnauthenticatedError,
    "DATA_LOSS": DataLossError,
}


def make(
    code: str, message: str, violations: Sequence[tuple[str, str]] = (), reason: str = "", retry_after: float | None = None
) -> Error:
    """The exception for a status. The extension calls it for the library's own errors."""
    return _CLASSES.get(code, Error)(
        message,
        code=code,
        violations=[FieldViolation(*violation) for violation in violations],
        reason=reason,
        retry_after=retry_after,
    )


def refuse(field: str, description: str) -> Error:
    """A refusal of one field, in the library's form: an InvalidArgumentError."""
    return make("INVALID_ARGUMENT", f"{field}: {description}", [(field, description)])
