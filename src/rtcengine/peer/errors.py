"""The W3C's errors by its names; its TypeError is Python's. Whatever is raised, nothing was changed."""

from __future__ import annotations


class InvalidStateError(Exception):
    """The call has no place in the present state."""


class InvalidAccessError(Exception):
    """An argument that this connection cannot be given."""


class InvalidModificationError(Exception):
    """A change of what may not change, such as an edited local description."""


class InvalidCharacterError(ValueError):
    """A text with characters that have no meaning in it."""


class NotSupportedError(Exception):
    """Allowed by the standard, not done here."""


class OperationError(Exception):
    """The operation failed for a reason that has no error of its own."""


class RangeError(ValueError):
    """A number outside of what it may be."""


class UrlSyntaxError(ValueError):
    """The URL of an ICE server cannot be read (the W3C's SyntaxError)."""


class IdentityError(OperationError):
    """A peer's identity is not proved, or ours cannot be (the W3C's RTCError); `errorDetail` is "idp-token-invalid",
    "idp-token-expired", "idp-load-failure", "idp-timeout", "idp-execution-failure" or "idp-bad-script-failure". Providers may
    raise it too."""

    def __init__(self, message: str, errorDetail: str = "idp-token-invalid") -> None:
        super().__init__(message)
        self.errorDetail = errorDetail


class RTCError(OperationError, ValueError):
    """A description that cannot be read; `errorDetail` is "sdp-syntax-error", `sdpLineNumber` counts from 1."""

    def __init__(self, message: str, errorDetail: str, sdpLineNumber: int | None = None) -> None:
        super().__init__(message)
        self.errorDetail = errorDetail
        self.sdpLineNumber = sdpLineNumber
