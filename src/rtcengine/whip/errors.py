"""What a WHIP or WHEP client is refused with."""

from __future__ import annotations

_FOR_GOOD = {400, 401, 403, 405, 406, 410, 413, 415, 422}


class WhipError(ConnectionError):
    """The endpoint refused, cannot be reached, or did not connect. `status`: of HTTP, 0 without an answer. `retry_after`:
    seconds that it asked to wait, None without a word of it."""

    def __init__(self, message: str, status: int = 0, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after

    @property
    def for_good(self) -> bool:
        """Whether the same request would be refused again."""
        return self.status in _FOR_GOOD
