"""A way between a page and a connection of ours that the test rules: it delays, holds back, loses by plan, and counts."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal

from rtcengine import RTCPeerConnection
from rtcengine.ice.addresses import local_addresses

HERE = "127.0.0.1"
Side = Literal["us", "page"]
Lost = Callable[[Side, bytes], bool]
"""Whether a datagram to this side is lost."""


def is_media(data: bytes) -> bool:
    """RTP, by RFC 7983 and RFC 5761."""
    return len(data) >= 12 and 128 <= data[0] < 192 and not 192 <= data[1] < 224


def ssrc_of(data: bytes) -> int:
    return int.from_bytes(data[8:12], "big")


class Between:
    """`passed` and `lost`: packets of media by SSRC, those that went on and those that did not; `lost_to`: all that was lost on
    the way to a side; `repairs`: the SSRC of a stream's repairs, as the descriptions say. Each address of the page's has a
    socket that faces us, as behind a NAT."""

    def __init__(self, ours: tuple[str, int], delay_s: float) -> None:
        self.delay_s = delay_s
        self.lost_if: Lost | None = None
        self.passed: Counter[int] = Counter()
        self.lost: Counter[int] = Counter()
        self.lost_to: Counter[Side] = Counter()
        self.repairs: dict[int, int] = {}
        self._held: list[tuple[Side, bytes, tuple[str, int]]] | None = None
        self._ours = ours
        self._loop = asyncio.get_running_loop()
        # Firefox begins no check of loopback.
        self._address = next((str(a) for a in local_addresses() if a.version == 4), HERE)
        self._outer = self._socket(self._from_page, self._address)
        self._inner: dict[tuple[str, int], socket.socket] = {}

    def _socket(self, read: Callable[[], None], address: str = HERE) -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setblocking(False)
        made.bind((address, 0))
        self._loop.add_reader(made, read)
        return made

    def close(self) -> None:
        for one in (self._outer, *self._inner.values()):
            self._loop.remove_reader(one)
            one.close()

    def to_page(self, sdp: str) -> str:
        """Our description with this in place of our addresses."""
        self._note_repairs(sdp)
        ours, here = self._ours[1], self._outer.getsockname()[1]
        return sdp.replace(f"{HERE} {ours} typ", f"{self._address} {here} typ").replace(f" {ours} UDP/", f" {here} UDP/")

    def to_us(self, sdp: str) -> str:
        """The page's description without its addresses: what comes from it comes by here."""
        self._note_repairs(sdp)
        return re.sub(r"a=candidate:.*\r\n", "", sdp)

    def _note_repairs(self, sdp: str) -> None:
        for media, repairs in re.findall(r"a=ssrc-group:FID (\d+) (\d+)", sdp):
            self.repairs[int(media)] = int(repairs)

    @contextlib.contextmanager
    def holding(self) -> Iterator[None]:
        """Nothing goes on within; all of it does at the end."""
        held = self._held = []
        try:
            yield
        finally:
            self._held = None
            for one in held:
                self._send(*one)

    def _from_page(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                data, page = self._outer.recvfrom(2048)
                if page not in self._inner:
                    self._inner[page] = self._socket(partial(self._from_us, page))
                self._take("us", data, page)

    def _from_us(self, page: tuple[str, int]) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                self._take("page", self._inner[page].recv(2048), page)

    def _take(self, to: Side, data: bytes, page: tuple[str, int]) -> None:
        if self.lost_if is not None and self.lost_if(to, data):
            self.lost_to[to] += 1
            if is_media(data):
                self.lost[ssrc_of(data)] += 1
            return
        if is_media(data):
            self.passed[ssrc_of(data)] += 1
        if self._held is not None:
            self._held.append((to, data, page))
        elif self.delay_s:
            self._loop.call_later(self.delay_s, self._send, to, data, page)
        else:
            self._send(to, data, page)

    def _send(self, to: Side, data: bytes, page: tuple[str, int]) -> None:
        with contextlib.suppress(OSError):  # closed meanwhile, or the page's socket is
            if to == "us":
                self._inner[page].sendto(data, self._ours)
            else:
                self._outer.sendto(data, page)


@contextlib.contextmanager
def between(ours: RTCPeerConnection, *, delay_s: float = 0.0) -> Iterator[Between]:
    """`ours` has its first local description, and one address."""
    assert ours.localDescription is not None
    found = re.search(rf"{HERE} (\d+) typ host", ours.localDescription.sdp)
    assert found is not None
    made = Between((HERE, int(found[1])), delay_s)
    try:
        yield made
    finally:
        made.close()
