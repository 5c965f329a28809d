"""What programs for aiortc import from its module of this name."""

from __future__ import annotations

from .peer.errors import InvalidAccessError, InvalidStateError, OperationError

__all__ = [
    "InvalidAccessError",
    "InvalidStateError",
    "OperationError",
]
