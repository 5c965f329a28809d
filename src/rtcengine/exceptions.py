"""What programs for aiortc import from its module of this name."""

from __future__ import annotations

from .peer.errors import InvalidAccessError, InvalidStateError, OperationError

InternalError = TypeError  # what is raised where aiortc raises its own of this name: an unknown kind or direction

__all__ = [
    "InternalError",
    "InvalidAccessError",
    "InvalidStateError",
    "OperationError",
]
