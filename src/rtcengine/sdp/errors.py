"""The two ways a description can fail: it cannot be read, or it cannot be served."""

from __future__ import annotations

_SHOWN = 100


class SdpError(ValueError):
    """A description that is malformed or beyond the limits.

    `line` is the 1-based number of the line at fault and `text` that line as it was received; both are in the message.
    """

    def __init__(self, reason: str, line: int, text: str) -> None:
        shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
        # !a: peers' bytes end up in logs and HTTP answers, control characters must not.
        super().__init__(f"SDP line {line} {shown!a}: {reason}")
        self.reason = reason
        self.line = line
        self.text = text


class Malformed(ValueError):
    """What is wrong with one value; the caller that knows the line turns it into SdpError."""


class NegotiationError(Exception):
    """A readable offer that cannot be served.

    `status` is the HTTP status that WHIP and WHEP answer with: 422, or 406 when a viewer lacks the publisher's codecs,
    which `codecs` then lists. `mid` names the section at fault where there is one.
    """

    def __init__(self, message: str, *, status: int = 422, mid: str | None = None, codecs: tuple[str, ...] = ()) -> None:
        super().__init__(message if mid is None else f'section "{mid}": {message}')
        self.status = status
        self.mid = mid
        self.codecs = codecs
