"""The relay's own HTTP server: aiohttp on one address, plain or TLS, behind a guard against slow clients."""

from __future__ import annotations

import asyncio
import errno
import os
import ssl
from typing import Self

from aiohttp import web
from aiohttp.typedefs import Handler

from .app_aiohttp import make_app
from .guard import Gate, Guard, Limits
from .relay import Relay

LINGER_SECONDS = 2.0
"""How long what remains of a refused body is read, so that the client sees why before the connection is reset."""


TRIES = 16
"""Ports that are tried where any will do and each address has to have the same."""


class Server:
    """Serves a relay at the host and port of its configuration while its context is entered. Raises OSError when the port is
    taken, ValueError when a certificate is unusable."""

    def __init__(self, relay: Relay, limits: Limits | None = None) -> None:
        self._relay = relay
        self._limits = limits or Limits()
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None
        self._gate: Gate | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        context = self._context()
        app = make_app(self._relay, self._limits.body_seconds, _body_came)
        app.middlewares.append(_timed)
        runner = web.AppRunner(
            app,
            access_log=None,
            shutdown_timeout=2.0,
            keepalive_timeout=self._limits.idle_seconds,
            lingering_time=LINGER_SECONDS,
        )
        await runner.setup()
        assert runner.server is not None
        self._runner = runner
        self._gate = Gate(runner.server, self._limits, context)
        try:
            self._server = await self._listen(self._gate)
        except OSError as error:
            await runner.cleanup()
            config = self._relay.config
            # asyncio wraps the system's words in its own; errors of name resolution have numbers below zero.
            number = error.errno or 0
            reason = os.strerror(number) if number > 0 else error.strerror or error
            raise OSError(error.errno, f"cannot serve on {config.host} port {config.port}: {reason}") from error
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._server is not None:
            self._server.close()
        if self._runner is not None:
            await self._runner.cleanup()  # requests that are being answered have time to end
        if self._gate is not None:
            self._gate.close()

    async def _listen(self, gate: Gate) -> asyncio.Server:
        config = self._relay.config
        # asyncio makes "::" IPv6 only; whoever asks for it means every address.
        host = ["::", "0.0.0.0"] if config.host == "::" else config.host or None
        loop = asyncio.get_running_loop()
        for left in reversed(range(TRIES)):
            server = await loop.create_server(gate.protocol, host, config.port)
            ports = [sock.getsockname()[1] for sock in server.sockets]
            if len(set(ports)) == 1:
                break
            server.close()  # port 0 gave each address its own
            try:
                return await loop.create_server(gate.protocol, host, ports[0])
            except OSError as error:  # free at one address, and taken at another
                if error.errno != errno.EADDRINUSE or not left:
                    raise
        return server

    def _context(self) -> ssl.SSLContext | None:
        config = self._relay.config
        if not config.tls:
            return None
        from . import tls  # who serves plain http does without

        files = tls.self_signed(self._relay.advertised()) if config.self_signed else (config.cert_file, config.key_file)
        return tls.context(*files)

    @property
    def scheme(self) -> str:
        return "https" if self._relay.config.tls else "http"

    def local_url(self, path: str = "") -> str:
        """The URL of a path for programs on this machine."""
        host = self._relay.config.host
        anywhere = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}
        host = anywhere.get(host, f"[{host}]" if ":" in host else host)
        return f"{self.scheme}://{host}:{self.port}/{path}"

    def urls(self) -> list[str]:
        """Where the page is, for a person: one URL an address when it is served on all of them."""
        host = self._relay.config.host
        if host not in ("0.0.0.0", "::", ""):
            return [self.local_url()]
        served = [a for a in self._relay.advertised() if host != "0.0.0.0" or ":" not in a]
        hosts = ["localhost", *served]
        return [f"{self.scheme}://{f'[{h}]' if ':' in h else h}:{self.port}/" for h in dict.fromkeys(hosts)]


def _guard(request: web.Request) -> Guard | None:
    guard = request.transport.get_protocol() if request.transport is not None else None
    return guard if isinstance(guard, Guard) else None


def _body_came(request: web.Request) -> None:
    if (guard := _guard(request)) is not None:
        guard.body_came()


@web.middleware
async def _timed(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tells the guard of a connection when a request's head has come and when its answer is made."""
    guard = _guard(request)
    if guard is None:  # the client is gone already
        return await handler(request)
    guard.head_came()
    try:
        return await handler(request)
    finally:
        guard.answered()
