"""What a publisher and a watcher have in common: a session that is made, kept up and ended."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import ssl
import time
from abc import ABCMeta, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from pyee.asyncio import AsyncIOEventEmitter

from ..peer.configuration import RTCBundlePolicy, RTCConfiguration
from ..peer.connection import RTCPeerConnection
from ..peer.description import RTCSessionDescription
from ..peer.network import NetworkOptions
from ..sdp import NegotiationError, SdpError, write_fragment
from .errors import WhipError
from .resource import Resource
from .trickle import Gathered, restarted

if TYPE_CHECKING:
    import aiohttp

log = logging.getLogger("rtcengine.whip")

CONNECT_S = 15.0
RESTART_S = 6.0
"""So long a restart may take, before the session is made anew."""
PATIENCE_S = 3.0
"""So long a connection may be without its peer before ICE is restarted."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 10.0
"""Between tries to come back; each wait is twice the one before, and a random half of it is left out."""


class Client(AsyncIOEventEmitter, metaclass=ABCMeta):
    """`state`: "new", "connecting", "connected", "reconnecting", "closed"; "statechange" tells. `failure`: why it left the last
    connection, or ended. When the network changes or the peer is silent, ICE is restarted; when that does not help, or the
    server ended the session, a new one is made, for `patience_s` at most. `verify` False takes any certificate of the HTTP
    server.
    ICE servers are those that the endpoint tells, unless `configuration` names some. `trickle` False: the offer waits for all
    candidates. Any thread may read `url`, `state` and `failure`; all else is for the thread of its event loop.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str = "",
        configuration: RTCConfiguration | None = None,
        network: NetworkOptions | None = None,
        verify: bool | ssl.SSLContext = True,
        patience_s: float = 60.0,
        trickle: bool = True,
    ) -> None:
        super().__init__()
        self.url = url
        self.state = "new"
        self.failure = ""
        self.pc: RTCPeerConnection | None = None
        self._token, self._network, self._trickle = token, network, trickle
        self._tls: ssl.SSLContext | bool = verify
        self._configuration = configuration
        self._patience_s = patience_s
        self._http: aiohttp.ClientSession | None = None
        self._resource: Resource | None = None
        self._answer = ""
        self._down = asyncio.Event()  # something may be wrong
        self._restart_wanted = False
        self._keeping: asyncio.Task[None] | None = None
        self._gathered: Gathered | None = None
        self._trickling: asyncio.Task[None] | None = None
        self._closed: asyncio.Future[None] | None = None
        self._closing: asyncio.Task[None] | None = None

    # --- for subclasses

    @abstractmethod
    def _prepare(self, pc: RTCPeerConnection) -> None:
        """Gives a new connection what it sends or wants."""

    def _make(self, configuration: RTCConfiguration) -> RTCPeerConnection:
        return RTCPeerConnection(configuration, network=self._network)

    async def _begin(self) -> None:
        """Makes the session and connects. WhipError."""
        if self.state != "new":
            raise RuntimeError(f"the client is {self.state}")
        self._show("connecting")
        self._closed = asyncio.get_running_loop().create_future()
        try:
            await self._connect()
        except BaseException as error:
            self.failure = str(error)
            await self._leave()
            self._finish(None)
            raise
        self._show("connected")
        self._keeping = asyncio.ensure_future(self._keep())

    # --- for everybody

    async def closed(self) -> None:
        """Returns after `close`; raises WhipError when the client gave up."""
        if self._closed is not None:
            await asyncio.shield(self._closed)

    async def close(self) -> None:
        """Ends the session at the server, and the connection. Idempotent."""
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())
        await asyncio.shield(self._closing)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        await self.close()

    # --- within

    async def _close(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        await self._leave()
        self._finish(None)

    def _finish(self, error: WhipError | None) -> None:
        self._show("closed")
        if self._closed is not None and not self._closed.done():
            if error is None:
                self._closed.set_result(None)
            else:
                self._closed.set_exception(error)
                self._closed.exception()  # who does not ask need not be told by the loop
        self.remove_all_listeners()

    def _show(self, state: str) -> None:
        if state != self.state and self.state != "closed":
            self.state = state
            self.emit("statechange")

    async def _connect(self) -> None:
        import aiohttp

        if self._http is None:
            self._http = aiohttp.ClientSession()
        resource = self._resource = Resource(self.url, self._token, self._http, self._tls)
        configuration = replace(self._configuration or RTCConfiguration(bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        if configuration.iceServers is None:
            configuration.iceServers = await resource.ask_servers()
        pc = self.pc = self._make(configuration)
        self._gathered = gathered = Gathered(pc)
        self._prepare(pc)
        await pc.setLocalDescription(await pc.createOffer())
        await gathered.first(all=not self._trickle)
        gathered.take()
        assert pc.localDescription is not None
        self._answer = await resource.post(pc.localDescription.sdp)
        if self._configuration is None or self._configuration.iceServers is None:
            pc.setConfiguration(replace(pc.getConfiguration(), iceServers=resource.servers))  # for what is gathered next
        connected = _state_of(pc, lambda state: state in ("connected", "failed", "closed"))
        try:
            await pc.setRemoteDescription(RTCSessionDescription(self._answer, "answer"))
        except (SdpError, NegotiationError, ValueError) as error:
            raise WhipError(f"{self.url} answered with a description that does not fit: {error}") from error
        self._trickling = asyncio.ensure_future(self._tell(gathered, resource))
        await self._reached(pc, connected, CONNECT_S)
        self._down.clear()
        self._restart_wanted = False
        pc.on("connectionstatechange", self._down.set)
        pc.on("negotiationneeded", self._on_negotiation_needed)
        if pc.connectionState != "connected":
            self._down.set()

    async def _reached(self, pc: RTCPeerConnection, settled: asyncio.Future[str], within: float) -> None:
        try:
            async with asyncio.timeout(within):
                state = await settled
        except TimeoutError:
            report = await pc.report()
            why = report.failure or pc.failure or report
            raise WhipError(f"no connection with {self.url} in {within:.0f} s: {why}") from None
        if state != "connected":
            raise WhipError(f"no connection with {self.url}: {pc.failure or state}")

    async def _tell(self, gathered: Gathered, resource: Resource) -> None:
        try:
            while resource.trickles:
                await resource.trickle(write_fragment(await gathered.more()))
        except WhipError as error:
            log.info("%s: candidates cannot be told: %s", self.url, error)

    def _stop_trickling(self) -> None:
        if self._trickling is not None:
            self._trickling.cancel()
            self._trickling = None
        if self._gathered is not None:
            self._gathered.close()
            self._gathered = None

    def _on_negotiation_needed(self) -> None:
        self._restart_wanted = True
        self._down.set()

    async def _keep(self) -> None:
        while True:
            await self._down.wait()
            self._down.clear()
            pc = self.pc
            if pc is None or (pc.connectionState == "connected" and not self._restart_wanted):
                continue
            try:
                if await self._settles(pc):
                    continue
                self.failure = pc.failure or f"the connection was {pc.connectionState}"
                self._show("reconnecting")
                if not await self._restarts(pc):
                    await self._anew()
            except WhipError as error:
                self.failure = str(error)
                await self._leave()
                self._finish(error)
                return
            self._show("connected")

    async def _settles(self, pc: RTCPeerConnection) -> bool:
        """Whether a connection that lost its peer for a moment has it again."""
        if self._restart_wanted or pc.connectionState != "disconnected":
            return False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                return await _state_of(pc, lambda state: state != "disconnected") == "connected" and not self._restart_wanted
        return False

    async def _restarts(self, pc: RTCPeerConnection) -> bool:
        """Whether an ICE restart brings it back."""
        self._restart_wanted = False
        resource = self._resource
        if pc.connectionState == "closed" or resource is None or not resource.session_url:
            return False
        self._stop_trickling()
        try:
            self._gathered = gathered = Gathered(pc)
            await pc.setLocalDescription(await pc.createOffer(iceRestart=True))
            await gathered.first(all=not self._trickle)
            found = await resource.restart(write_fragment(gathered.take()))
            self._answer = restarted(self._answer, found)
            reached = _state_of(pc, lambda state: state in ("connected", "closed"))
            await pc.setRemoteDescription(RTCSessionDescription(self._answer, "answer"))
            self._trickling = asyncio.ensure_future(self._tell(gathered, resource))
            await self._reached(pc, reached, RESTART_S)
        except (WhipError, SdpError, NegotiationError, ValueError) as error:
            log.info("%s: an ICE restart did not help: %s", self.url, error)
            return False
        return True

    async def _anew(self) -> None:
        """A new session, tried until there is one. WhipError when patience is over, or it is refused for good."""
        end, wait = time.monotonic() + self._patience_s, FIRST_WAIT_S
        while True:
            await self._leave(keep_http=True)
            try:
                await self._connect()
                return
            except WhipError as error:
                pause = max(wait * random.uniform(0.5, 1.0), error.retry_after or 0.0)
                if error.for_good or time.monotonic() + pause > end:
                    raise
                log.info("%s: %s; again in %.1f s", self.url, error, pause)
                self.failure = str(error)
            await asyncio.sleep(pause)
            wait = min(2 * wait, LONGEST_WAIT_S)

    async def _leave(self, *, keep_http: bool = False) -> None:
        self._stop_trickling()
        pc, self.pc = self.pc, None
        resource, self._resource = self._resource, None
        if resource is not None and pc is not None and pc.connectionState == "connected":
            await self._say_goodbye(resource)  # first: it is not the connection that has failed
        if pc is not None:
            await pc.close()
        if resource is not None:
            await self._say_goodbye(resource)
        if self._http is not None and not keep_http:
            http, self._http = self._http, None
            await http.close()

    @staticmethod
    async def _say_goodbye(resource: Resource) -> None:
        try:
            await resource.delete()
        except WhipError as error:
            log.info("the session was not ended at the server: %s", error)


def _state_of(pc: RTCPeerConnection, wanted: Callable[[str], bool]) -> asyncio.Future[Any]:
    """The first connectionState that is wanted, from the present one on."""
    found: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def look() -> None:
        if not found.done() and wanted(pc.connectionState):
            pc.remove_listener("connectionstatechange", look)
            found.set_result(pc.connectionState)

    pc.on("connectionstatechange", look)
    look()
    return found
