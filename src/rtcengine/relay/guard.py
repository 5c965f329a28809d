"""Limits of the built-in HTTP server against clients that open much and send little: connections in all and of one address,
and a time for each request head. aiohttp has a limit for idle connections, none for these."""

from __future__ import annotations

import asyncio
import resource
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from .http import BODY_SECONDS

SPARE_FILES = 128


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds for a request head (the first one with the TLS handshake before it), for a body, for an answer that the client
    does not read, and for a connection between two requests; connections in all and from one address."""

    head_seconds: float = 5.0
    body_seconds: float = BODY_SECONDS
    write_seconds: float = 10.0
    idle_seconds: float = 75.0
    connections: int = 1024
    connections_of_one: int = 32


class Gate:
    """Who is connected. `protocol` is for `loop.create_server`: the inner protocol behind a Guard.

    When there are too many, the connection gives way whose client we have waited for longest: an idle one (browsers keep
    them open for later) or a slow one, since an honest head takes milliseconds. The newcomer is turned away only when all
    the others are being served.
    """

    def __init__(self, inner: Callable[[], asyncio.Protocol], limits: Limits, tls: ssl.SSLContext | None = None) -> None:
        self.inner = inner
        self.limits = limits
        self.tls = tls
        # Each connection is a file, and the engine and the program need some too.
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        spared = limits.connections if files == resource.RLIM_INFINITY else max(1, files - SPARE_FILES)
        self._most = min(limits.connections, spared)
        self._open: dict[Guard, None] = {}
        self._of_one: Counter[str] = Counter()
        self._waiting: dict[Guard, None] = {}  # longest first

    def __len__(self) -> int:
        return len(self._open)

    def protocol(self) -> Guard:
        return Guard(self)

    def close(self) -> None:
        """Ends every connection at once, half-open ones too."""
        for guard in list(self._open):
            guard.abort()

    def admit(self, guard: Guard) -> bool:
        """Whether a new connection may stay."""
        full_of_one = self._of_one[guard.peer] >= self.limits.connections_of_one
        if full_of_one or len(self._open) >= self._most:
            slowest = next((g for g in self._waiting if not full_of_one or g.peer == guard.peer), None)
            if slowest is None:
                return False
            slowest.abort()
        self._open[guard] = self._waiting[guard] = None
        self._of_one[guard.peer] += 1
        return True

    def wait_for(self, guard: Guard) -> None:
        """Its client's turn: from now on, if it waited before."""
        self._waiting.pop(guard, None)
        if guard in self._open:
            self._waiting[guard] = None

    def serve(self, guard: Guard) -> None:
        """Our turn."""
        self._waiting.pop(guard, None)

    def drop(self, guard: Guard) -> None:
        """It is gone. Saying so twice does no harm."""
        self._waiting.pop(guard, None)
        if guard in self._open:
            del self._open[guard]
            self._of_one[guard.peer] -= 1
            if not self._of_one[guard.peer]:
                del self._of_one[guard.peer]


class Guard(asyncio.Protocol):
    """One connection: passes everything to the inner protocol and keeps the time.

    A request head is timed from its first byte, the first one from the start of the connection. Its handler says when the
    head is there (`head_came`), when the body is (`body_came`), and when the answer is made (`answered`).
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._inner: asyncio.Protocol | None = None
        self._raw: asyncio.Transport | None = None
        self._early = b""
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._handshake: asyncio.Task[None] | None = None
        self._busy = False
        self.peer = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._raw = cast(asyncio.Transport, transport)
        self.peer = (transport.get_extra_info("peername") or ("",))[0]
        if not self._gate.admit(self):
            self._raw.abort()
            return
        self._time_head()
        if self._gate.tls is None:
            self._begin(self._raw)
        else:
            self._raw.pause_reading()  # the ClientHello is for start_tls
            self._handshake = asyncio.ensure_future(self._start_tls(self._raw, self._gate.tls))

    async def _start_tls(self, raw: asyncio.Transport, context: ssl.SSLContext) -> None:
        """The handshake, within the time of a head and counted from the start (create_server(ssl=...) tells of a connection
        only after it)."""
        loop = asyncio.get_running_loop()
        try:
            made = await loop.start_tls(raw, self, context, server_side=True)
        except OSError:  # what TLS calls an error is one too
            self.abort()
            return
        if made is None or made.is_closing():
            self.abort()
        else:
            self._begin(made)

    def _begin(self, transport: asyncio.Transport) -> None:
        self._inner = self._gate.inner()
        self._inner.connection_made(transport)
        early, self._early = self._early, b""
        if early:
            self._inner.data_received(early)

    def data_received(self, data: bytes) -> None:
        if self._inner is None:  # a request right behind the client's Finished, before start_tls has returned
            self._early += data
            return
        if not self._busy and self._head_timer is None:
            self._gate.wait_for(self)
            self._time_head()
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._inner is not None else None

    def pause_writing(self) -> None:
        limit = self._gate.limits.write_seconds
        self._write_timer = asyncio.get_running_loop().call_later(limit, self.abort)
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._stop_write_timer()
        if self._inner is not None:
            self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        if self._inner is not None:
            self._inner.connection_lost(exc)

    def head_came(self) -> None:
        self._busy = True
        self._stop_head_timer()

    def body_came(self) -> None:
        self._gate.serve(self)

    def answered(self) -> None:
        self._busy = False
        self._gate.wait_for(self)

    def abort(self) -> None:
        if self._raw is not None:
            self._raw.abort()
        self._forget()

    def _time_head(self) -> None:
        limit = self._gate.limits.head_seconds
        self._head_timer = asyncio.get_running_loop().call_later(limit, self.abort)

    def _forget(self) -> None:
        self._stop_head_timer()
        self._stop_write_timer()
        self._gate.drop(self)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
