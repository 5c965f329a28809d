"""The relay's own HTTP server: aiohttp on one address, plain or TLS."""

from __future__ import annotations

import ssl
from typing import Self

from aiohttp import web

from . import tls
from .relay import Relay


class Server:
    """Serves a relay at the host and port of its configuration while its context is entered. Raises OSError when the port is
    taken, ValueError when a certificate is unusable."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        config = self._relay.config
        self._runner = web.AppRunner(self._relay.aiohttp_app(), access_log=None, shutdown_timeout=2.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, config.host, config.port, ssl_context=self._context())
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise OSError(f"cannot serve on {config.host} port {config.port}: {error.strerror or error}") from error
        address = self._runner.addresses[0]
        self.port = int(address[1])
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def _context(self) -> ssl.SSLContext | None:
        config = self._relay.config
        if not config.tls:
            return None
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
        if self._relay.config.host not in ("0.0.0.0", "::", ""):
            return [self.local_url()]
        hosts = ["localhost", *self._relay.advertised()]
        return [f"{self.scheme}://{f'[{h}]' if ':' in h else h}:{self.port}/" for h in dict.fromkeys(hosts)]
