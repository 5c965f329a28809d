"""RTCPeerConnection behind NATs: with another of ours and with aiortc's, with a STUN and a TURN server outside."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from itertools import combinations_with_replacement

import pytest
import pytest_asyncio

from tests.figures import note
from tests.interop import nat_turn
from tests.interop.nat import KINDS, Network, network
from tests.interop.nat_call import call, connection_peer, kinds, place
from tests.interop.nat_probe import stun_server
from tests.interop.pipe_peer import longest_gap
from tests.util import until


@pytest_asyncio.fixture
async def net() -> AsyncIterator[Network]:
    async with network() as net, stun_server(net.public), nat_turn.turn_server(net.public):
        yield net


ALL = list(combinations_with_replacement(("none", *KINDS), 2))
RELAYED = {("port", "symmetric"), ("symmetric", "symmetric")}
# In every run: one that only a check of the peer's opens, and one that nothing opens but a relay.
TELLING = {("address", "symmetric"), ("symmetric", "symmetric")}
SEEN = {"none": "host", "symmetric": "prflx"}  # by the peer; else as the servers told


@pytest.mark.parametrize(("one", "other"), kinds(ALL, TELLING))
async def test_pairs(net: Network, one: str, other: str) -> None:
    async with call(connection_peer("rtcengine"), await place(net, one), await place(net, other)) as both:
        relayed = tuple(sorted((one, other))) in RELAYED

        def settled() -> bool:  # until a pair is nominated each side uses the best that works for it
            last = [[e for e in peer.events if e["event"] == "pair"][-1:] for peer in both]
            pairs = [(e["local"], e["remote"]) for found in last for e in found]
            if len(pairs) < 2 or pairs[0] != pairs[1][::-1]:
                return False
            return "relay" in pairs[0] if relayed else pairs[0] == (SEEN.get(one, "srflx"), SEEN.get(other, "srflx"))

        await until(settled, timeout=20, what="the pair that both settle on")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        pytest.param("symmetric", "full-cone"),
        pytest.param("full-cone", "full-cone", marks=pytest.mark.long),
        pytest.param("port", "full-cone", marks=pytest.mark.long),
    ],
)
async def test_aiortc_direct(net: Network, ours: str, theirs: str) -> None:
    argv = [connection_peer("rtcengine"), connection_peer("aiortc")]
    async with call(argv, await net.nat(ours), await net.nat(theirs)) as (us, _):
        pair = await us.wait("pair")
        assert (pair["local"], pair["remote"]) == (SEEN.get(ours, "srflx"), "srflx")


@pytest.mark.long
async def test_aiortc_relayed(net: Network) -> None:
    """The TURN server, where nothing else connects."""
    argv = connection_peer("aiortc", "--relay-only")
    async with call(argv, await net.nat("symmetric"), await net.nat("symmetric")) as both:
        for peer in both:
            pair = await peer.wait("pair")
            assert (pair["local"], pair["remote"]) == ("relay", "relay")


@pytest.mark.parametrize("offers", [True, pytest.param(False, marks=pytest.mark.long)])
async def test_announced(net: Network, offers: bool) -> None:
    """Behind a NAT 1:1, as a cloud's machines are, whose address the program announces. No server helps, and the peer's own
    address, behind another NAT, leads nowhere: there is no way but the announced address."""
    cloud, home = await net.nat("full-cone"), await net.nat("port")
    ours = connection_peer("rtcengine", "--announce", cloud.address, servers=False)
    theirs = connection_peer("rtcengine", servers=False)
    argv, places = ([ours, theirs], (cloud, home)) if offers else ([theirs, ours], (home, cloud))
    async with call(argv, *places) as both:
        announced, other = both if offers else both[::-1]
        seen = await other.wait("pair", lambda e: bool(e["remote"] == "host"))
        assert seen["local"] == "prflx"
        assert await announced.wait("pair", lambda e: bool((e["local"], e["remote"]) == ("host", "prflx")))


MOST_S = 1.5
# Who is changed, who it talks to, what changes, and what the program does: nothing for a NAT's new addresses, which nobody
# has to be told. Of the host's new ones the connection learns by itself, and asks for a restart; for a program that is deaf
# to that it does what it can alone.
_MOVES = [
    ("symmetric", "full-cone", "flush", ()),
    ("port", "full-cone", "renumber", ()),
    ("full-cone", "port", "move_host", ()),
    ("full-cone", "port", "move_host", ("--trickle",)),
    ("symmetric", "symmetric", "move_host", ("--trickle",)),
    ("port", "full-cone", "move_host", ("--deaf",)),
]
IN_EVERY_RUN = ("full-cone", "port", "move_host", ("--trickle",))
MOVES = [
    pytest.param(*row, first, marks=[] if row == IN_EVERY_RUN and first else [pytest.mark.long])
    for row in _MOVES
    for first in (True, False)
]


@pytest.mark.parametrize(("one", "other", "change", "options", "offers"), MOVES)
async def test_moves(net: Network, one: str, other: str, change: str, options: tuple[str, ...], offers: bool) -> None:
    moved, far = await net.nat(one), await net.nat(other)
    async with call(connection_peer("rtcengine", *options), *((moved, far) if offers else (far, moved))) as both:
        begin = time.monotonic()
        await getattr(moved, change)()
        end = time.monotonic()
        for peer in both:
            await peer.wait("counts", lambda e: bool(e["at"] > end + MOST_S))
        gap = max(longest_gap(peer, begin) for peer in both)
        note("moved", one=one, other=other, change=change, options=" ".join(options), offers=int(offers), gap=round(gap, 3))
        assert gap <= MOST_S


@pytest.mark.long
async def test_restart(net: Network) -> None:
    """Asked for by the program, right after the host's address has changed."""
    moved = await net.nat("full-cone")
    async with call(connection_peer("rtcengine", "--trickle"), moved, await net.nat("port")) as both:
        await moved.move_host()
        begin = time.monotonic()
        both[0].tell(do="restart")
        for peer in both:
            await peer.wait("counts", lambda e: bool(e["at"] > begin + MOST_S))
