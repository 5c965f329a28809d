"""The HTTP of one session: its offer is posted, its candidates are patched, it is deleted (RFC 9725 §4)."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from ..peer.configuration import RTCIceServer
from ..sdp import Fragment, SdpError, parse_fragment
from .errors import WhipError
from .links import ice_servers

if TYPE_CHECKING:
    import aiohttp
    from multidict import CIMultiDictProxy

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"
MAX_ANSWER = 256 * 1024
MAX_REDIRECTS = 5
TIMEOUT_S = 15.0
GOODBYE_S = 3.0
_MOVED = {301, 302, 303, 307, 308}


class Resource:
    """`url` is the endpoint's. The token goes to its origin, and to that of a session which it made itself, wherever requests
    are redirected. Every method raises WhipError."""

    def __init__(self, url: str, token: str, http: aiohttp.ClientSession, tls: ssl.SSLContext | bool) -> None:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
            raise ValueError(f"{url!r} is no address of http or https")
        self.url = url
        self.session_url = ""
        self.servers: list[RTCIceServer] = []
        self.trickles = True
        self._token, self._http, self._tls = token, http, tls
        self._origins = {_origin(url)}
        self._etag = ""

    async def ask_servers(self) -> list[RTCIceServer]:
        """ICE servers that the endpoint tells before anything is posted; none when it does not answer that."""
        try:
            _, headers, _ = await self._request("OPTIONS", self.url, ok={200, 204})
        except WhipError:
            return []
        self.servers = ice_servers(headers.getall("Link", []))
        return self.servers

    async def post(self, offer: str) -> str:
        """Makes the session: the answer."""
        url, headers, text = await self._request("POST", self.url, offer, {"Content-Type": SDP, "Accept": SDP}, {201})
        if "Location" not in headers:
            raise WhipError(f"{self.url} answered 201 without the session's address", 201)
        self.session_url = urljoin(url, headers["Location"])
        if _origin(url) in self._origins and _origin(self.session_url)[0] in ("https", _origin(self.url)[0]):
            self._origins.add(_origin(self.session_url))
        self._etag = headers.get("ETag", "")
        if found := ice_servers(headers.getall("Link", [])):
            self.servers = found
        return text

    async def trickle(self, fragment: str) -> None:
        """Tells more candidates, unless the session takes none."""
        if not self.trickles or not self.session_url:
            return
        headers = {"Content-Type": FRAGMENT, **({"If-Match": self._etag} if self._etag else {})}
        try:
            await self._request("PATCH", self.session_url, fragment, headers, {200, 204})
        except WhipError as error:
            if error.status not in (400, 404, 405, 412, 415, 422, 501):
                raise
            self.trickles = False

    async def restart(self, fragment: str) -> Fragment:
        """Restarts ICE (RFC 9725 §4.3.3): the server's credentials and candidates."""
        headers = {"Content-Type": FRAGMENT, "Accept": FRAGMENT, "If-Match": "*"}
        _, answered, text = await self._request("PATCH", self.session_url, fragment, headers, {200})
        self._etag = answered.get("ETag", self._etag)
        try:
            found = parse_fragment(text)
        except SdpError as error:
            raise WhipError(f"{self.session_url} answered a restart with what is no fragment: {error}", 200) from error
        if found.credentials is None:
            raise WhipError(f"{self.session_url} answered a restart without credentials", 200)
        return found

    async def delete(self) -> None:
        """Ends the session; that it is gone already is no error. Idempotent."""
        url, self.session_url = self.session_url, ""
        if url:
            await self._request("DELETE", url, ok={200, 202, 204, 404, 410}, within=GOODBYE_S)

    async def _request(
        self,
        method: str,
        url: str,
        body: str = "",
        headers: dict[str, str] | None = None,
        ok: set[int] | None = None,
        within: float = TIMEOUT_S,
    ) -> tuple[str, CIMultiDictProxy[str], str]:
        """The address that answered, its headers and body. Redirects keep method and body (RFC 9725 §4.5)."""
        import aiohttp

        for _ in range(MAX_REDIRECTS):
            given = dict(headers or {})
            if self._token and _origin(url) in self._origins:
                given["Authorization"] = f"Bearer {self._token}"
            try:
                async with self._http.request(
                    method,
                    url,
                    data=body.encode() if body else None,
                    headers=given,
                    ssl=self._tls,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=within),
                ) as response:
                    if response.status in _MOVED and "Location" in response.headers:
                        url = urljoin(url, response.headers["Location"])
                        continue
                    text = await _text(response)
            except WhipError:
                raise
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise WhipError(f"{url} cannot be reached: {_why(error)}") from error
            if response.status not in (ok or set()):
                raise _refused(method, url, response.status, text, response.headers.get("Retry-After", ""))
            return url, response.headers, text
        raise WhipError(f"{self.url} redirects more than {MAX_REDIRECTS} times")


async def _text(response: aiohttp.ClientResponse) -> str:
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > MAX_ANSWER:
            response.close()
            raise WhipError(f"{response.url} answered with more than {MAX_ANSWER} bytes", response.status)
    return body.decode(errors="replace")


def _why(error: Exception) -> str:
    number = getattr(error, "errno", None)
    if isinstance(number, int) and number > 0:
        return os.strerror(number)
    return str(error) or "no answer in time"


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _refused(method: str, url: str, status: int, text: str, retry: str) -> WhipError:
    said = " ".join(text[:300].split())
    wait = float(retry) if retry.isascii() and retry.isdigit() else None
    return WhipError(f"{url} answered {method} with {status}{': ' if said else ''}{said}", status, wait)
