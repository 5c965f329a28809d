"""WHEP: who watches, which codecs and streams he is given, and what he is told when he cannot have them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from rtcengine.relay import Relay
from rtcengine.sdp import parse, parse_fragment, write
from rtcengine.sdp.codecs import formats_of
from rtcengine.sdp.description import Codecs
from rtcengine.types import Direction
from tests.unit.whip_kit import (
    FRAGMENT,
    PUBLISHER,
    SDP,
    VIEWER,
    ask,
    changed,
    etag,
    fragment,
    location,
    offer,
    post,
    publish,
    watch,
)

VIEWERS = ["chromium_whep_offer", "firefox_whep_offer", "gst_whep_offer"]


@pytest.fixture
async def relay() -> AsyncIterator[Relay]:
    async with Relay(udp_port=0) as made:
        yield made


def only(body: bytes, codec: str) -> bytes:
    """The offer with this video codec alone."""
    description = parse(body)
    for section in description.media:
        if section.kind == "video":
            section.codecs = Codecs([c for c in section.codecs if c.name == codec])
            section.formats = formats_of(section.codecs)
    return write(description).encode()


def only_audio(body: bytes) -> bytes:
    description = parse(body)
    for section in description.media[1:]:
        section.port = 0
    description.groups = []
    return write(description).encode()


@pytest.mark.parametrize("client", VIEWERS)
async def test_created(relay: Relay, client: str) -> None:
    await publish(relay)
    response = await watch(relay, body=offer(client))
    assert response.header("content-type") == SDP
    assert location(response).startswith("/r/whep/")
    assert response.header("accept-patch") == FRAGMENT
    assert etag(response)
    answer, offered = parse(response.body), parse(offer(client))
    assert [s.mid for s in answer.media] == [s.mid for s in offered.media]
    for section in answer.media:
        assert section.direction is Direction.SENDONLY
        assert section.msids
        assert len({s.ssrc for s in section.ssrcs}) == (2 if section.kind == "video" and len(section.codecs) > 1 else 1)
    assert [s.role for s in relay.sessions] == ["publish", "watch"]


async def test_every_viewer_has_streams_of_its_own(relay: Relay) -> None:
    await publish(relay)
    answers = [parse((await watch(relay)).body) for _ in range(5)]
    ssrcs = [source.ssrc for answer in answers for section in answer.media for source in section.ssrcs]
    assert len(ssrcs) == len(set(ssrcs)) == 15
    assert len({answer.media[0].ice_pwd for answer in answers}) == 5
    publisher = relay.rooms["r"].publisher
    assert publisher is not None
    assert len(relay.rooms["r"].viewers) == 5


async def test_before_the_publisher(relay: Relay) -> None:
    response = await post(relay, "/r/whep", VIEWER)
    assert response.status == 409
    assert int(response.header("retry-after") or 0) > 0
    assert relay.rooms == {}, "whoever waits for a room does not make it"
    await publish(relay)
    await watch(relay)


@pytest.mark.parametrize(("published", "wanted"), [("VP8", "H264"), ("H264", "VP8"), ("VP9", "AV1"), ("AV1", "VP9")])
async def test_codecs_that_do_not_meet(relay: Relay, published: str, wanted: str) -> None:
    await publish(relay, body=only(PUBLISHER, published))
    response = await post(relay, "/r/whep", only(VIEWER, wanted))
    assert response.status == 406
    assert published.encode() in response.body and wanted.encode() in response.body
    assert len(relay.sessions) == 1
    await watch(relay, body=only(VIEWER, published))


@pytest.mark.parametrize(
    "body",
    [changed(VIEWER, direction=Direction.SENDONLY), VIEWER.replace(b"a=rtcp-mux\r\n", b"")],
    ids=["sendonly", "no-mux"],
)
async def test_what_cannot_be_served(relay: Relay, body: bytes) -> None:
    await publish(relay)
    assert (await post(relay, "/r/whep", body)).status == 422


async def test_bad_body(relay: Relay) -> None:
    await publish(relay)
    response = await post(relay, "/r/whep", VIEWER.replace(b"t=0 0", b"t=zero"))
    assert response.status == 400 and b"SDP line 4 " in response.body
    assert (await post(relay, "/r/whep", b"")).status == 400, "we make no offers"
    assert (await post(relay, "/r/whep", b"v" * 65537)).status == 413
    assert (await ask(relay, "POST", "/r/whep", VIEWER, content_type="text/plain")).status == 415


async def test_a_kind_that_is_not_published_is_inactive(relay: Relay) -> None:
    await publish(relay, body=only_audio(PUBLISHER))
    answer = parse((await watch(relay)).body)
    assert [s.direction for s in answer.media] == [Direction.SENDONLY, Direction.INACTIVE]
    assert not any(s.is_rejected for s in answer.media)


async def test_head_get_and_options(relay: Relay) -> None:
    head = await ask(relay, "HEAD", "/r/whep")
    assert (head.status, head.header("content-type"), head.header("accept-post")) == (200, SDP, SDP)
    assert (await ask(relay, "GET", "/r/whep")).status == 204
    options = await ask(relay, "OPTIONS", "/r/whep")
    assert (options.status, options.header("accept-post")) == (200, SDP)
    await publish(relay)
    path = location(await watch(relay))
    assert (await ask(relay, "GET", path)).status == 204
    assert (await ask(relay, "HEAD", path)).status == 204


async def test_trickle_restart_and_delete(relay: Relay) -> None:
    await publish(relay)
    created = await watch(relay)
    path = location(created)
    ufrag = parse(VIEWER).media[0].ice_ufrag or ""
    assert (await ask(relay, "PATCH", path, fragment(ufrag), content_type=FRAGMENT)).status == 428
    trickled = await ask(relay, "PATCH", path, fragment(ufrag), content_type=FRAGMENT, if_match=etag(created))
    assert (trickled.status, trickled.header("etag")) == (204, None)
    body = fragment("newU", "0123456789abcdef01234567")
    restarted = await ask(relay, "PATCH", path, body, content_type=FRAGMENT, if_match="*")
    assert restarted.status == 200
    assert etag(restarted) != etag(created)
    assert parse_fragment(restarted.body).credentials is not None
    assert (await ask(relay, "DELETE", path)).status == 200
    assert [s.role for s in relay.sessions] == ["publish"]
    assert "r" in relay.rooms


async def test_a_stalled_publisher_is_replaced_and_the_room_stays(relay: Relay) -> None:
    """Also when nobody watches: the room of the new publisher is the one that viewers find."""
    first = location(await publish(relay))
    publisher = relay.rooms["r"].publisher
    assert publisher is not None and publisher.transport is not None
    publisher.transport.state = "stalled"
    assert (await post(relay, "/r/whip", PUBLISHER.replace(b"a=rtcp-mux\r\n", b""))).status == 422
    assert (await ask(relay, "GET", first)).status == 204, "an offer that cannot be served ends nobody"
    second = location(await publish(relay))
    assert (await ask(relay, "GET", first)).status == 404
    assert (await ask(relay, "GET", second)).status == 204
    await watch(relay)
    assert (await post(relay, "/r/whip", PUBLISHER)).status == 409


async def test_a_refused_publisher_leaves_no_room(relay: Relay) -> None:
    assert (await post(relay, "/r/whip", PUBLISHER.replace(b"a=rtcp-mux\r\n", b""))).status == 422
    assert relay.rooms == {}


async def test_another_publisher_with_other_codecs_ends_its_viewers(relay: Relay) -> None:
    """They agreed to the old codec; their pages come back with a new offer."""
    first = location(await publish(relay, body=only(PUBLISHER, "VP8")))
    await watch(relay, body=only(VIEWER, "VP8"))
    viewer = relay.sessions[1]
    assert (await ask(relay, "DELETE", first)).status == 200
    await publish(relay, body=only(PUBLISHER, "H264"))
    assert viewer.transport is not None
    await viewer.transport.wait("closed")
    assert [s.role for s in relay.sessions] == ["publish"]
