"""A browser publishes by WHIP, browsers watch by WHEP: every codec that they have, pictures and sound."""

from __future__ import annotations

import pytest

from rtcengine.relay.relay import Relay
from tests.browser import media
from tests.browser.chromium import ChromiumPage
from tests.browser.firefox import FirefoxPage
from tests.browser.relay import Pages, Served, Watched, join, watch_for
from tests.figures import note

pytestmark = pytest.mark.asyncio(loop_scope="session")

WATCHED_S = 20.0
AUDIBLE = 0.01  # RMS; the fake microphones beep far above this


def check(watched: Watched, codec: str) -> None:
    """It decodes, without a freeze, nearly all that was sent, of that codec, and it hears the sound."""
    video, audio = watched.last["inbound"]["video"], watched.last["inbound"]["audio"]
    assert video["mimeType"].lower() == f"video/{codec}".lower()
    assert audio["mimeType"].lower() == "audio/opus"
    note(
        "watched",
        codec=codec,
        sent=watched.sent,
        share=round(watched.share, 4),
        freezes=watched.freezes,
        frozen_s=round(watched.frozen, 3),
    )
    assert watched.share >= 0.9, watched
    # One pause of 0.2 s counts as a freeze, and a busy browser makes such pauses itself: of 15 s not as much as one.
    assert watched.frozen < 1, watched
    assert watched.pictures >= 5
    assert watched.level > AUDIBLE, watched


async def check_feedback(relay: Relay, room: str) -> None:
    """No viewer lacks what it was sent: padding and sending as one leave transport-wide numbers whole."""
    stats = await relay.stats()
    for session in relay.rooms[room].viewers.values():
        assert session.transport is not None
        row, video = stats.transports[session.transport.id], stats.senders[session.senders["video"].id]
        note("feedback", room=room, messages=row.twcc_received, told=row.twcc_told, missing=row.twcc_missing)
        assert row.twcc_received > WATCHED_S and row.twcc_told > 0.9 * video.packets - 100, (row, video)
        assert row.twcc_missing <= row.twcc_told / 200, row


@pytest.mark.parametrize("codec", ["VP8", *(pytest.param(codec, marks=pytest.mark.long) for codec in ("H264", "VP9", "AV1"))])
async def test_chromium_publishes_everybody_watches(
    codec: media.Codec, served: Served, chrome: ChromiumPage, fox: FirefoxPage, pages: Pages
) -> None:
    publisher = await pages.open(chrome)
    viewers = [await pages.open(chrome) for _ in range(3)]
    if codec != "H264":  # Firefox has it only by a plug-in that it would download
        viewers.append(await pages.open(fox))
    await join(publisher, served.page(f"all-{codec}"), *viewers, codec=codec)
    before = (await served.relay.stats()).loop
    watched = await watch_for(WATCHED_S, publisher, viewers)
    sent = (await media.stats(publisher))["outbound"]["video"]
    assert (sent["frameWidth"], sent["frameHeight"]) == (640, 360)
    assert watched[0].sent >= 10 * WATCHED_S, f"the publisher itself was too slow: {sent}"
    for each in watched:
        check(each, codec)
        video = each.last["inbound"]["video"]
        assert (video["frameWidth"], video["frameHeight"]) == (640, 360)
    # What these pictures came in: several packets as one to the kernel, padded to be equally long.
    loop = (await served.relay.stats()).loop
    await check_feedback(served.relay, f"all-{codec}")
    runs, packets = loop.gso_runs - before.gso_runs, loop.gso_datagrams - before.gso_datagrams
    note("runs", codec=codec, runs=runs, packets=packets, refused=loop.gso_refused)
    assert packets >= 2 * runs and loop.gso_refused == 0
    assert runs > 50 or not served.relay.engine.features["gso"]


@pytest.mark.parametrize("codec", ["VP8", pytest.param("VP9", marks=pytest.mark.long)])
async def test_firefox_publishes(
    codec: media.Codec, served: Served, chrome: ChromiumPage, fox: FirefoxPage, pages: Pages
) -> None:
    publisher, viewer = await pages.open(fox), await pages.open(chrome)
    await join(publisher, served.page(f"fox-{codec}"), viewer, codec=codec)
    [watched] = await watch_for(6, publisher, [viewer])
    check(watched, codec)
