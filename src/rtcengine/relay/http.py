"""Requests and responses without a server: WHIP and WHEP are functions from one to the other, mounted by aiohttp or ASGI."""

from __future__ import annotations

from dataclasses import dataclass, field

MAX_BODY = 64 * 1024
"""Largest body read, in bytes: the limit of the SDP reader too."""

BODY_SECONDS = 10.0
"""How long a client may take to send its body."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. Header names are lower case. `path` is decoded and what follows `mount`, the prefix under which a
    program has mounted the relay ("" at its root); it is empty when the request was for the prefix without a slash."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    remote: str = ""
    secure: bool = False
    mount: str = ""

    def header(self, name: str) -> str:
        return self.headers.get(name, "")

    @property
    def content_type(self) -> str:
        """Media type without parameters, in lower case."""
        return self.header("content-type").partition(";")[0].strip().lower()


@dataclass(slots=True)
class Response:
    """Status, headers (a list: some repeat) and body."""

    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class HttpError(Exception):
    """Ends a request with this status and a plain sentence for whoever reads it."""

    def __init__(self, status: int, text: str, *headers: tuple[str, str]) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers

    def response(self) -> Response:
        headers = [("Content-Type", "text/plain; charset=utf-8"), *self.headers]
        return Response(self.status, headers, (self.text + "\n").encode())
