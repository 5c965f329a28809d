"""A browser's numbers and ours of one call agree, at rest and counter by counter, as do those of the way between the two."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from rtcengine import NetworkOptions, RTCPeerConnection, SyntheticCamera, SyntheticMicrophone
from rtcengine.media.track import MediaStreamError
from tests.browser.between import HERE, Between, Side, between, is_media, ssrc_of
from tests.browser.call import Call, call
from tests.browser.chromium import ChromiumPage
from tests.browser.drivers import Page
from tests.browser.firefox import FirefoxPage
from tests.browser.relay import Pages
from tests.browser.talk import BOTH
from tests.figures import note
from tests.util import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

DELAY_S = 0.04
"""One way. A round trip is at least twice that, and this machine's part of it is small beside it."""
KINDS = ("audio", "video")
Stats = Mapping[str, Any]


@dataclass(frozen=True)
class Both:
    """Reports of one moment, `ours` and the page's by id, and the way between; `asked`: our checks, repeats among them."""

    ours: Mapping[str, Stats]
    page: Mapping[str, Stats]
    way: Between
    firefox: bool
    asked: int

    def of(self, type: str, **values: Any) -> tuple[Stats, Stats]:
        """The one like this of ours, and of the page's."""
        found = [
            next((s for s in report.values() if s["type"] == type and values.items() <= s.items()), {})
            for report in (self.ours, self.page)
        ]
        return found[0], found[1]

    def on_the_way(self, ssrc: int) -> tuple[int, int]:
        """Packets that came to it, and that it lost."""
        return self.way.passed[ssrc] + self.way.lost[ssrc], self.way.lost[ssrc]


Row = tuple[str, Any, Any]
"""What it is, and two numbers for it that have to be one."""


def near(one: float, other: float, by: float) -> Any:
    """For a row: the first, or the other where they are so near."""
    return other if abs(one - other) <= by else one


def streams(b: Both) -> Iterator[Row]:
    for kind in KINDS:
        sent, _ = b.of("outbound-rtp", kind=kind)
        _, got = b.of("inbound-rtp", kind=kind)
        yield from one_way(b, f"our {kind}", sent, got, b.of("remote-inbound-rtp", kind=kind)[0])
        yield from said_of_it(f"our {kind}", sent, b.of("remote-outbound-rtp", kind=kind)[1], repairs=False)
        got, _ = b.of("inbound-rtp", kind=kind)
        _, sent = b.of("outbound-rtp", kind=kind)
        yield from one_way(b, f"its {kind}", sent, got, b.of("remote-inbound-rtp", kind=kind)[1])
        yield from said_of_it(f"its {kind}", sent, b.of("remote-outbound-rtp", kind=kind)[0], repairs=True)


def one_way(b: Both, what: str, sent: Stats, got: Stats, told: Stats) -> Iterator[Row]:
    """A stream's `sent` at one end, `got` at the other, and what the sender was `told` of it."""
    count, lost = b.on_the_way(sent["ssrc"])
    rtx = got.get("rtxSsrc") or sent.get("rtxSsrc") or repairs_of(b, sent["ssrc"])
    repairs, repairs_lost = b.on_the_way(rtx)
    # Firefox leaves repairs out of what it received, and has them in what it sent.
    counted = 0 if b.firefox and "our" in what else repairs - repairs_lost
    yield f"{what}: SSRC", sent["ssrc"], got["ssrc"]
    yield f"{what}: packetsSent and the way", sent["packetsSent"], count + repairs
    yield f"{what}: packetsReceived and the way", got["packetsReceived"], count - lost + counted
    yield f"{what}: packetsLost and the way", got["packetsLost"], lost
    yield f"{what}: packetsLost as told", told["packetsLost"], lost
    yield f"{what}: nackCount", sent["nackCount"], got.get("nackCount", 0)
    yield f"{what}: jitter as told", near(told["jitter"], got["jitter"], 0.001), got["jitter"]
    if not lost and not repairs_lost:
        yield f"{what}: bytes", sent["bytesSent"], got["bytesReceived"] + (sent["retransmittedBytesSent"] if not counted else 0)
    if sent["kind"] == "video":
        yield f"{what}: frames", sent["framesSent"], got["framesDecoded"]
        yield f"{what}: encoded, but what none took", near(sent["framesEncoded"], sent["framesSent"], 2), sent["framesSent"]
        yield f"{what}: pliCount", sent["pliCount"], got["pliCount"]
        yield f"{what}: firCount", sent["firCount"], got["firCount"]
        for name in ("keyFramesEncoded", "frameWidth", "frameHeight"):
            if name in sent:  # Chromium has no size of what is not sent now, Firefox no key frames
                yield f"{what}: {name}", sent[name], got[name.replace("Encoded", "Decoded")]


def repairs_of(b: Both, ssrc: int) -> int:
    """The stream that the description says is this one's repairs."""
    return b.way.repairs.get(ssrc, 0)


def said_of_it(what: str, sent: Stats, heard: Stats, *, repairs: bool) -> Iterator[Row]:
    """By sender reports. Browsers count repairs in them, RFC 3550 has nothing of such."""
    more = {"packetsSent": 0, "bytesSent": 0} if repairs else dict(RETRANSMITTED)
    for name in ("packetsSent", "bytesSent"):
        less = sent[more[name]] if more[name] else 0
        yield f"{what}: {name} as reported", sent[name] - less, heard[name]


RETRANSMITTED = {"packetsSent": "retransmittedPacketsSent", "bytesSent": "retransmittedBytesSent"}


def transports(b: Both) -> Iterator[Row]:
    ours, page = b.of("transport")
    for name in ("srtpCipher", "tlsVersion", "dtlsState"):
        yield name, ours[name], page[name]
    yield "dtlsRole", {ours["dtlsRole"], page["dtlsRole"]}, {"client", "server"}
    yield "iceRole", {ours["iceRole"], page["iceRole"]}, {"controlling", "controlled"}
    for kind in KINDS:
        mine, theirs = (codecs(report, kind) for report in (b.ours, b.page))
        yield f"codecs of {kind}", mine, theirs
    mine, theirs = ours_and_its_pair(b)
    yield "nominated", mine["nominated"], theirs["nominated"]
    yield "state", mine["state"], theirs["state"]
    local, remote = b.ours[mine["localCandidateId"]], b.ours[mine["remoteCandidateId"]]
    its_local, its_remote = b.page[theirs["localCandidateId"]], b.page[theirs["remoteCandidateId"]]
    names = ("priority", "candidateType", "protocol", "foundation")
    yield "our candidate", [local[n] for n in names], [its_remote.get(n, local[n]) for n in names]
    if its_local["candidateType"] == "prflx" or not b.firefox:  # what the way's own address makes of it
        yield "its address", (remote["address"], remote["port"]), (its_local["address"], its_local["port"])
    lost = b.way.lost_to["page"], b.way.lost_to["us"]
    if not b.firefox:  # which counts neither packets nor checks there
        yield "packets to the page", ours["packetsSent"], page["packetsReceived"] + lost[0]
        yield "packets to us", ours["packetsReceived"] + lost[1], page["packetsSent"]
        yield "its checks", theirs["requestsSent"], mine["requestsReceived"]
        yield "our answers", mine["responsesSent"], theirs["responsesReceived"]
        yield "its answers", theirs["responsesSent"], theirs["requestsReceived"]
        # Ours are repeated before an answer can be there. We take no answers to repeats, nor are these in requestsSent.
        yield "our checks", b.asked, theirs["requestsReceived"]
        yield "our checks but repeats", mine["requestsSent"], mine["responsesReceived"]
    if not any(lost):
        whose = theirs if b.firefox else page
        # Firefox counts what makes the connection too: less than a fiftieth of what flowed.
        by = 0.02 if b.firefox else 0.0
        for name, other in (("bytesSent", "bytesReceived"), ("bytesReceived", "bytesSent")):
            yield f"our {name}", near(ours[name], whose[other], by * ours[name]), whose[other]


def codecs(report: Mapping[str, Stats], kind: str) -> set[tuple[Any, ...]]:
    used = {s["codecId"] for s in report.values() if s["type"] in ("inbound-rtp", "outbound-rtp") and s["kind"] == kind}
    names = ("mimeType", "payloadType", "clockRate")
    return {(*(report[id][n] for n in names), report[id].get("channels", 1)) for id in used}


def ours_and_its_pair(b: Both) -> tuple[Stats, Stats]:
    ours, page = b.of("transport")
    mine = b.ours[ours["selectedCandidatePairId"]]
    if "selectedCandidatePairId" in page:
        return mine, b.page[page["selectedCandidatePairId"]]
    return mine, next(s for s in b.page.values() if s["type"] == "candidate-pair" and s.get("selected"))


def round_trips(b: Both) -> Iterator[tuple[str, float]]:
    if "selectedCandidatePairId" in b.of("transport")[0]:
        for whose, pair in zip(("our", "its"), ours_and_its_pair(b), strict=True):
            if pair.get("currentRoundTripTime"):
                yield f"{whose} checks", pair["currentRoundTripTime"]
    for kind in KINDS:
        for whose, told in zip(("our", "its"), b.of("remote-inbound-rtp", kind=kind), strict=True):
            if told.get("roundTripTime"):
                yield f"{whose} {kind}", told["roundTripTime"]


def differences(b: Both) -> list[str]:
    rows = [*streams(b), *transports(b)]
    return [f"{what}: {one} and {other}" for what, one, other in rows if one != other]


class Meeting:
    """A call that flows or rests."""

    def __init__(self, made: Call, way: Between, firefox: bool) -> None:
        self.made, self.way, self.firefox = made, way, firefox
        self.trips: dict[str, float] = {}
        """The shortest round trip by each measure: what the machine adds to the way's own differs each time."""
        self._sent = [(sender, sender.track) for sender in made.ours.getSenders()]

    async def look(self) -> Both:
        text = "Object.fromEntries([...(await call.pc.getStats()).values()].map((s) => [s.id, s]))"
        page = await self.made.page.evaluate(text)
        ours = {id: dict(s) for id, s in (await self.made.ours.getStats()).items()}
        transports = (await self.made.ours.report()).transports
        asked = sum(pair.requests_sent for one in transports for pair in one.pairs if pair.selected)
        looked = Both(ours, page, self.way, self.firefox, asked)
        for what, seconds in round_trips(looked):
            self.trips[what] = min(seconds, self.trips.get(what, seconds))
        return looked

    async def flow(self) -> None:
        for sender, track in self._sent:
            sender.replaceTrack(track)
        await self.made.page.evaluate("await Promise.all(call.pc.getSenders().map((s, i) => s.replaceTrack(call.was[i])))")

    async def rest(self) -> None:
        for sender, _ in self._sent:
            sender.replaceTrack(None)
        await self.made.page.evaluate(
            "call.was = call.pc.getSenders().map((s) => s.track);"
            "await Promise.all(call.pc.getSenders().map((s) => s.replaceTrack(null)))"
        )

    async def more(self, count: int) -> None:
        """So many frames more, both ways, and of sound as many packets."""
        before = frames(await self.look())

        async def enough() -> bool:
            now = frames(await self.look())
            return all(now[name] >= was + count for name, was in before.items())

        await until(enough, timeout=30, interval=0.2, what=f"{count} frames more")

    async def agreed(self) -> Both:
        """At rest, when nothing is on its way. Reports and repairs go on for a while, Firefox sends a black picture now and
        then: so until some moment is still."""
        last: list[str] = []
        looked = await self.look()

        async def same() -> bool:
            nonlocal last, looked
            looked = await self.look()
            last = differences(looked)
            return not last

        try:
            await until(same, timeout=20, interval=0.1)
        except AssertionError:
            raise AssertionError("\n".join(last)) from None
        return looked


def frames(b: Both) -> dict[str, int]:
    found = {}
    for name, report in (("ours", b.ours), ("page", b.page)):
        for s in report.values():
            if s["type"] == "inbound-rtp":
                found[name, s["kind"]] = s.get("framesDecoded", s["packetsReceived"])
    assert len(found) == 4
    return {f"{a} {k}": n for (a, k), n in found.items()}


def planned(side: Side) -> Callable[[Side, bytes], bool]:
    """Every 20th packet of media to this side, and the one after it: a NACK asks for several."""
    seen: dict[int, int] = {}

    def lost(to: Side, data: bytes) -> bool:
        if to != side or not is_media(data):
            return False
        seen[ssrc_of(data)] = seen.get(ssrc_of(data), -1) + 1
        return seen[ssrc_of(data)] % 20 in (10, 11)

    return lost


async def swallow(track: Any) -> None:
    with contextlib.suppress(MediaStreamError):
        while True:
            await track.recv()


@contextlib.asynccontextmanager
async def meeting(page: Page) -> AsyncIterator[Meeting]:
    ours = RTCPeerConnection(network=NetworkOptions(addresses=(HERE,)))
    async with call(page, ours) as made:
        ours.addTrack(SyntheticMicrophone())
        ours.addTrack(SyntheticCamera(320, 240, 30))
        await made("add", BOTH)
        await page.evaluate("call.prefer('video', 'VP8')")
        await ours.setLocalDescription()
        await until(lambda: ours.iceGatheringState == "complete", what="gathering ends")
        reading: list[asyncio.Task[None]] = []
        # From the first frame on: what nobody reads is not decoded.
        ours.on("track", lambda track: reading.append(asyncio.create_task(swallow(track))))
        with between(ours, delay_s=DELAY_S) as made.way:
            await made.negotiate(True)
            await made.connected()
            try:
                yield Meeting(made, made.way, isinstance(page, FirefoxPage))
            finally:
                await ours.close()
                await asyncio.gather(*reading)


async def numbers_agree(page: Page) -> None:
    async with meeting(page) as m:
        await until(lambda: all_there(m), timeout=20, interval=0.2, what="streams both ways")
        await m.more(60)
        await m.rest()
        calm = await m.agreed()
        await m.flow()
        for side in ("page", "us"):
            m.way.lost_if = planned(side)
            await m.more(60)
            m.way.lost_if = None
            await m.more(20)
        await m.rest()
        rough = await m.agreed()
        for kind in KINDS:  # what was agreed on is something
            for ours in (True, False):
                inbound = rough.of("inbound-rtp", kind=kind)[not ours]
                assert inbound["packetsLost"] > 0 and (kind == "audio" or inbound["nackCount"] > 0)
        trips = m.trips
        note(
            "numbers of both ends",
            browser=type(page).__name__,
            rows=len([*streams(calm), *transports(calm)]) + len([*streams(rough), *transports(rough)]),
            lost_to_page=m.way.lost_to["page"],
            lost_to_us=m.way.lost_to["us"],
            **{name: round(s, 4) for name, s in trips.items()},
        )
        # Of checks and of reports, by both ends: not below the way's own (browsers tell whole milliseconds), nor far above.
        assert len(trips) == 6
        assert all(2 * DELAY_S - 0.001 <= s < 1.15 * 2 * DELAY_S for s in trips.values()), trips


async def all_there(m: Meeting) -> bool:
    looked = await m.look()
    types = ("inbound-rtp", "outbound-rtp", "remote-inbound-rtp", "remote-outbound-rtp")
    return all(found for kind in KINDS for type in types for found in looked.of(type, kind=kind))


async def test_chromium(chrome: ChromiumPage, pages: Pages) -> None:
    await numbers_agree(await pages.open(chrome))


@pytest.mark.long
async def test_firefox(fox: FirefoxPage, pages: Pages) -> None:
    await numbers_agree(await pages.open(fox))
