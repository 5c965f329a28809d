"""Names of our own, told instead of addresses: multicast DNS (RFC 6762) answers for them on the machine's links, while they are
in use."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import uuid
import weakref

from ..ice import mdns
from . import multicast

log = logging.getLogger("rtcengine.peer")

_responders: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Responder] = weakref.WeakKeyDictionary()


class Responder:
    """Of one event loop, shared by its connections. It listens from the first name on until the last is gone."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._sockets: list[tuple[socket.socket, mdns.Group]] = []

    def add(self, name: str, ip: str) -> None:
        """OSError when nobody here may answer for names."""
        if not self._sockets:
            self._open()
        self._names[name] = ip

    def remove(self, name: str) -> None:
        self._names.pop(name, None)
        if not self._names:
            self._close()

    def _open(self) -> None:
        loop, why = asyncio.get_running_loop(), None
        for group in mdns.GROUPS:
            try:
                sock = multicast.listen(group)
            except OSError as error:  # no such family here, or the port is another's alone
                why = str(error)
                continue
            loop.add_reader(sock, self._read, sock, group)
            self._sockets.append((sock, group))
        if not self._sockets:
            raise OSError(f"no multicast DNS here: {why}")

    def _close(self) -> None:
        for sock, _ in self._sockets:
            asyncio.get_running_loop().remove_reader(sock)
            sock.close()
        self._sockets.clear()

    def _read(self, sock: socket.socket, group: mdns.Group) -> None:
        try:
            message, (host, port, *rest) = sock.recvfrom(9000)
        except OSError:
            return
        for question in mdns.questions(message):
            ip = self._names.get(question.name)
            if ip is None:
                continue
            # §6.7: who asks from another port is answered alone, in the form of unicast DNS.
            if port != group[1]:
                with contextlib.suppress(OSError):
                    sock.sendto(mdns.answer(question, ip, to_one=True), (host, port, *rest))
            elif question.fits(ip):
                multicast.send(sock, mdns.answer(question, ip, to_one=False), group)


class OwnNames:
    """Of one connection: a name an address."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._responder: Responder | None = None

    def of(self, ip: str) -> str:
        """The name that is told for this address. OSError when it would not be answered for."""
        if ip not in self._names:
            name = f"{uuid.uuid4()}.local"
            if self._responder is None:
                loop = asyncio.get_running_loop()
                self._responder = _responders.setdefault(loop, Responder())
            self._responder.add(name, ip)
            self._names[ip] = name
        return self._names[ip]

    def close(self) -> None:
        for name in self._names.values():
            assert self._responder is not None
            self._responder.remove(name)
        self._names.clear()
