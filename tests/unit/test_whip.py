"""WHIP (RFC 9725): each request with its status, headers and effect, on a relay with its engine but without an HTTP server."""

from __future__ import annotations

import asyncio
import hmac
import itertools
from collections.abc import AsyncIterator

import pytest

from rtcengine.engine import Batch, EngineError
from rtcengine.relay import IceServer, Relay, RelayConfig, whip
from rtcengine.relay.rate import MOST_ADDRESSES, RateLimit
from rtcengine.sdp import parse, parse_fragment
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

TURN = IceServer("turn:turn.example:3478?transport=udp", "u", 'c"\\')
STUN = IceServer("stun:stun.example")
UFRAG = parse(PUBLISHER).media[0].ice_ufrag or ""
PWD = "0123456789abcdef01234567"


@pytest.fixture
async def relay() -> AsyncIterator[Relay]:
    async with Relay(udp_port=0, ice_servers=(TURN, STUN)) as made:
        yield made


async def test_created(relay: Relay) -> None:
    response = await publish(relay)
    assert response.header("content-type") == SDP
    assert location(response).startswith("/r/whip/")
    assert etag(response)
    assert response.header("accept-patch") == FRAGMENT
    links = [value for name, value in response.headers if name == "Link"]
    assert links == [
        '<turn:turn.example:3478?transport=udp>; rel="ice-server"; username="u"; credential="c\\"\\\\"; '
        'credential-type="password"',
        '<stun:stun.example>; rel="ice-server"',
    ]
    answer = parse(response.body)
    assert [s.direction for s in answer.media if not s.is_rejected] == [Direction.RECVONLY] * 2
    assert answer.ice_lite
    assert {c.port for c in answer.media[0].candidates} == {relay.engine.port}
    assert relay.rooms["r"].publisher is not None
    assert location(response) == relay.rooms["r"].publisher.path


CLIENTS = ["chromium_offer", "firefox_offer", "gst_offer", "obs_offer", "ffmpeg_whip_offer"]


@pytest.mark.parametrize("client", CLIENTS)
async def test_clients(relay: Relay, client: str) -> None:
    """OBS and FFmpeg bring no candidates, FFmpeg is DTLS server: our answer has candidates and the other role."""
    offered = parse(offer(client))
    answer = parse((await publish(relay, body=offer(client))).body)
    assert answer.media[0].candidates
    setup = answer.media[0].setup
    assert setup is not None
    passive = any(s.setup is not None and s.setup.value == "passive" for s in offered.media)
    assert setup.value == ("active" if passive else "passive")
    session = relay.sessions[0]
    assert session.transport is not None
    assert session.transport.config.dtls_client is passive
    assert passive is (client == "ffmpeg_whip_offer")


async def test_setup_active_is_taken(relay: Relay) -> None:
    answer = parse((await publish(relay, body=PUBLISHER.replace(b"a=setup:actpass", b"a=setup:active"))).body)
    assert answer.media[0].setup is not None
    assert answer.media[0].setup.value == "passive"


async def test_ids_are_long_and_never_the_same(relay: Relay) -> None:
    ids = [location(await publish(relay, f"r{n}")).rpartition("/")[2] for n in range(20)]
    assert len(set(ids)) == 20
    assert all(len(i) >= 22 for i in ids), "128 bits in base64url are 22 characters"
    positions = list(zip(*ids, strict=True))
    assert sum(len(set(p)) > 1 for p in positions) == len(positions), "no character is fixed"


# What POST answers when something is wrong.


@pytest.mark.parametrize("given", ["", "text/plain", "application/json", "application/sdpx", FRAGMENT])
async def test_type_of_post(relay: Relay, given: str) -> None:
    response = await ask(relay, "POST", "/r/whip", PUBLISHER, **({"content_type": given} if given else {}))
    assert response.status == 415
    assert response.header("accept-post") == SDP


@pytest.mark.parametrize("given", ["application/sdp; charset=utf-8", "Application/SDP", " application/sdp ;x=1"])
async def test_type_with_parameters(relay: Relay, given: str) -> None:
    assert (await ask(relay, "POST", "/r/whip", PUBLISHER, content_type=given)).status == 201


async def test_compressed_body(relay: Relay) -> None:
    assert (await post(relay, "/r/whip", PUBLISHER, content_encoding="gzip")).status == 415
    assert (await post(relay, "/r/whip", PUBLISHER, content_encoding="identity")).status == 201


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (b"", 1),
        (b"hello", 1),
        (PUBLISHER.replace(b"t=0 0", b"t=zero"), 4),
        (PUBLISHER.replace(b"s=-", b"s=\xff"), 3),
        (PUBLISHER.replace(b"s=-", b"s=\0"), 3),
        (b"v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 4294967296\r\n", 5),
        (b"v=0\n" * 2001, 2001),
    ],
    ids=["empty", "text", "time", "not-utf8", "nul", "payload-type", "lines"],
)
async def test_bad_body_names_the_line(relay: Relay, body: bytes, line: int) -> None:
    response = await post(relay, "/r/whip", body)
    assert response.status == 400
    assert f"SDP line {line} ".encode() in response.body
    assert response.header("content-type") == "text/plain; charset=utf-8"


async def test_body_of_64_kib_is_read_and_one_byte_more_is_not(relay: Relay) -> None:
    lines = b"a=x:" + b"y" * 1994 + b"\r\n"
    padded = PUBLISHER + lines * ((65536 - len(PUBLISHER)) // len(lines))
    padded += b"a=x:" + b"z" * (65536 - len(padded) - 6) + b"\r\n"
    assert len(padded) == 65536
    assert (await post(relay, "/r/whip", padded)).status == 201
    assert (await post(relay, "/s/whip", padded + b"x")).status == 413


def in_audio(old: bytes, new: bytes) -> bytes:
    head, audio, rest = PUBLISHER.partition(b"m=audio")
    return head + audio + rest.replace(old, new, 1)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (changed(PUBLISHER, direction=Direction.RECVONLY), b"sendonly"),
        (PUBLISHER.replace(b"a=rtcp-mux\r\n", b""), b"rtcp-mux"),
        (PUBLISHER.replace(b"a=group:BUNDLE 0 1 2\r\n", b"").replace(b"a=group:BUNDLE 0 1\r\n", b""), b"BUNDLE"),
        (PUBLISHER.replace(b"a=ice-ufrag", b"a=x-ufrag").replace(b"a=ice-pwd", b"a=x-pwd"), b"ice-ufrag"),
        (PUBLISHER.replace(b"a=fingerprint:sha-256", b"a=x-fingerprint:sha-256"), b"fingerprint"),
        (PUBLISHER.replace(b"opus/48000/2", b"L16/48000/2"), b"no codec"),
        (in_audio(b"UDP/TLS/RTP/SAVPF", b"RTP/SAVPF"), b"RTP/SAVPF"),
        (in_audio(b"a=mid:0", b"a=mid:0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + b"A" * 40), b"SDES"),
        (PUBLISHER.replace(b"m=audio", b"m=video"), b"more than one video"),
    ],
    ids=["recvonly", "no-mux", "no-bundle", "no-ice", "no-fingerprint", "codec", "plain", "sdes", "two-videos"],
)
async def test_what_cannot_be_served_fails_whole(relay: Relay, body: bytes, words: bytes) -> None:
    """WHIP refuses the POST, it never rejects a single audio or video section."""
    response = await post(relay, "/r/whip", body)
    assert (response.status, words in response.body) == (422, True), response.body
    assert relay.sessions == []


async def test_sendrecv_is_a_publisher_too(relay: Relay) -> None:
    assert (await post(relay, "/r/whip", changed(PUBLISHER, direction=Direction.SENDRECV))).status == 201


async def test_second_publisher(relay: Relay) -> None:
    await publish(relay)
    response = await post(relay, "/r/whip", PUBLISHER)
    assert response.status == 409
    assert int(response.header("retry-after") or 0) > 0
    assert (await post(relay, "/other/whip", PUBLISHER)).status == 201


@pytest.mark.parametrize("role", ["whip", "whep"])
@pytest.mark.parametrize(
    "room", ["healthz", "metrics", "static", "a.b", "a b", "é", "%41", "x" * 65, "..", "a\n", "a\0", "a:b"]
)
async def test_room_names_refused(relay: Relay, room: str, role: str) -> None:
    assert (await post(relay, f"/{room}/{role}", PUBLISHER)).status == 404
    assert relay.rooms == {}


@pytest.mark.parametrize("room", ["a", "x" * 64, "-_-", "Room-1_2", "whip", "whep"])
async def test_room_names(relay: Relay, room: str) -> None:
    assert (await post(relay, f"/{room}/whip", PUBLISHER)).status == 201


async def test_full(relay: Relay) -> None:
    async with Relay(udp_port=0, max_sessions=1) as small:
        first = await publish(small)
        for path, body in (("/s/whip", PUBLISHER), ("/r/whep", VIEWER)):
            response = await post(small, path, body)
            assert response.status == 503
            assert int(response.header("retry-after") or 0) > 0
        assert (await ask(small, "DELETE", location(first))).status == 200
        assert (await post(small, "/s/whip", PUBLISHER)).status == 201


async def test_draining(relay: Relay) -> None:
    await publish(relay)
    assert (await ask(relay, "GET", "/healthz")).status == 200
    await relay.drain()
    for path, body in (("/s/whip", PUBLISHER), ("/r/whep", VIEWER)):
        response = await post(relay, path, body)
        assert response.status == 503
        assert int(response.header("retry-after") or 0) > 0
    assert (await ask(relay, "GET", "/healthz")).status == 503


# GET, HEAD, OPTIONS and what is not allowed.


async def test_get_and_head(relay: Relay) -> None:
    created = await publish(relay)
    for method in ("GET", "HEAD"):
        response = await ask(relay, method, "/r/whip")
        assert (response.status, response.body, response.header("accept-post")) == (204, b"", SDP)
        response = await ask(relay, method, location(created))
        assert (response.status, response.body, response.header("etag")) == (204, b"", etag(created))


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE", "FOO"])
async def test_not_for_an_endpoint(relay: Relay, method: str) -> None:
    response = await ask(relay, method, "/r/whip")
    assert (response.status, response.header("allow")) == (405, "OPTIONS, GET, HEAD, POST")


@pytest.mark.parametrize("method", ["PUT", "POST", "TRACE", "FOO"])
async def test_not_for_a_session(relay: Relay, method: str) -> None:
    response = await ask(relay, method, location(await publish(relay)))
    assert (response.status, response.header("allow")) == (405, "OPTIONS, GET, HEAD, PATCH, DELETE")


async def test_options(relay: Relay) -> None:
    created = await publish(relay)
    endpoint = await ask(relay, "OPTIONS", "/r/whip")
    assert (endpoint.status, endpoint.header("accept-post")) == (200, SDP)
    assert endpoint.header("allow") == "OPTIONS, GET, HEAD, POST"
    assert endpoint.header("link") == TURN.link()
    session = await ask(relay, "OPTIONS", location(created))
    assert (session.status, session.header("accept-patch"), session.header("link")) == (200, FRAGMENT, None)
    assert session.header("allow") == "OPTIONS, GET, HEAD, PATCH, DELETE"


@pytest.mark.parametrize("path", ["/r/whip", "/r/whep", "/r/whip/some-session"])
async def test_preflight(path: str) -> None:
    async with Relay(udp_port=0, token="t", watch_token="w", ice_servers=(TURN,)) as relay:
        response = await ask(relay, "OPTIONS", path, origin="https://page.example", access_control_request_method="PATCH")
    assert response.status == 200
    methods = set((response.header("access-control-allow-methods") or "").split(", "))
    assert methods == {"OPTIONS", "GET", "HEAD", "POST", "PATCH", "DELETE"}
    headers = set((response.header("access-control-allow-headers") or "").split(", "))
    assert headers == {"Authorization", "Content-Type", "If-Match"}
    assert response.header("link") is None, "no credentials of ICE servers on a preflight"


async def test_options_tells_ice_servers_to_those_with_the_token() -> None:
    async with Relay(udp_port=0, token="t", ice_servers=(TURN,)) as relay:
        assert (await ask(relay, "OPTIONS", "/r/whip")).header("link") is None
        assert (await ask(relay, "OPTIONS", "/r/whip", authorization="Bearer t")).header("link") == TURN.link()
        assert (await ask(relay, "OPTIONS", "/r/whep")).header("link") == TURN.link()


@pytest.mark.parametrize(
    "path", ["/whip", "/r/whip/x", "/r/whip/x/y", "/r/s/whip", "/r/whop", "//whip", "/r//whip", "/r/whip/x//"]
)
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_no_such_address(relay: Relay, path: str, method: str) -> None:
    # One segment is a room's page, here the room "whip".
    expected = (200 if method == "GET" else 405) if path == "/whip" else 404
    assert (await ask(relay, method, path, if_match="*")).status == expected


async def test_trailing_slashes(relay: Relay) -> None:
    response = await post(relay, "/r/whip/", PUBLISHER)
    assert response.status == 201
    assert (await ask(relay, "DELETE", location(response) + "/")).status == 200


async def test_a_session_is_found_by_its_whole_address_only(relay: Relay) -> None:
    path = location(await publish(relay))
    _, room, role, session = path.split("/")
    wrong = [f"/other/{role}/{session}", f"/{room}/whep/{session}", f"/{room}/{role}/{session[:-1]}", path + "x", path.upper()]
    for other in wrong:
        for method in ("GET", "PATCH", "DELETE"):
            assert (await ask(relay, method, other, if_match="*", content_type=FRAGMENT)).status == 404
    assert len(relay.sessions) == 1


# DELETE


async def test_delete_whatever_the_etag(relay: Relay) -> None:
    created = await publish(relay)
    session = relay.sessions[0]
    assert (await ask(relay, "DELETE", location(created), if_match='"old"')).status == 200
    assert relay.sessions == []
    assert relay.rooms == {}
    assert session.transport is not None
    await session.transport.wait("closed")
    for method in ("DELETE", "PATCH", "GET"):
        assert (await ask(relay, method, location(created), if_match="*", content_type=FRAGMENT)).status == 404


async def test_two_deletes_at_once(relay: Relay) -> None:
    path = location(await publish(relay))
    responses = await asyncio.gather(ask(relay, "DELETE", path), ask(relay, "DELETE", path))
    assert sorted(r.status for r in responses) == [200, 404]


# PATCH: trickle

CANDIDATE = "1 1 udp 2130706431 198.51.100.7 40000 typ host"


async def test_trickle(relay: Relay) -> None:
    created = await publish(relay)
    body = fragment(UFRAG, None, CANDIDATE, "2 1 udp 2130706175 3c9f2c0a.local 40001 typ host")
    response = await ask(relay, "PATCH", location(created), body, content_type=FRAGMENT, if_match=etag(created))
    assert (response.status, response.body, response.header("etag")) == (204, b"", None)
    assert relay.sessions[0].etag == etag(created).strip('"')


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (None, 428),
        ("", 428),
        ('"stale"', 412),
        ("{}", 412),  # without its quotes it is no ETag
        ('W/"{}"', 412),
        ('"{}"', 204),
        ('"stale", "{}"', 204),
        ('"stale","other"', 412),
        ("*", 204),
    ],
)
async def test_if_match(relay: Relay, given: str | None, status: int) -> None:
    created = await publish(relay)
    headers = {} if given is None else {"if_match": given.format(etag(created).strip('"'))}
    body = fragment(UFRAG, None, CANDIDATE)
    response = await ask(relay, "PATCH", location(created), body, content_type=FRAGMENT, **headers)
    assert response.status == status
    # A stale ETag keeps a restart out as well.
    if status in (428, 412):
        body = fragment("newU", PWD)
        response = await ask(relay, "PATCH", location(created), body, content_type=FRAGMENT, **headers)
        assert response.status == status
        assert relay.sessions[0].remote_ufrag == UFRAG


async def test_lenient_etag() -> None:
    """For clients that leave If-Match out, where the operator says so."""
    async with Relay(udp_port=0, lenient_etag=True) as relay:
        path = location(await publish(relay))
        assert (await ask(relay, "PATCH", path, fragment(UFRAG), content_type=FRAGMENT)).status == 204
        stale = await ask(relay, "PATCH", path, fragment(UFRAG), content_type=FRAGMENT, if_match='"stale"')
        assert stale.status == 412


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (fragment(UFRAG), SDP, 415),
        (fragment(UFRAG), "", 415),
        (b"a=candidate:nonsense\r\n", FRAGMENT, 400),
        (b"hello", FRAGMENT, 400),
        (b"", FRAGMENT, 400),
        (b"a=ice-ufrag:abcd\r\na=ice-ufrag:efgh\r\n", FRAGMENT, 400),
        (b"x" * 65537, FRAGMENT, 413),
        (fragment("newU"), FRAGMENT, 422),
    ],
    ids=["sdp", "no-type", "candidate", "text", "empty", "contradiction", "too-large", "ufrag-alone"],
)
async def test_bad_patch(relay: Relay, body: bytes, kind: str, status: int) -> None:
    created = await publish(relay)
    response = await ask(relay, "PATCH", location(created), body, content_type=kind, if_match="*")
    assert response.status == status
    assert status != 415 or response.header("accept-patch") == FRAGMENT
    assert status != 400 or b"SDP line" in response.body
    assert relay.sessions[0].remote_ufrag == UFRAG


# PATCH: ICE restart


@pytest.mark.parametrize("condition", ["*", "etag"])
async def test_restart(relay: Relay, condition: str) -> None:
    created = await publish(relay)
    before = relay.sessions[0].ice
    if_match = etag(created) if condition == "etag" else condition
    response = await ask(relay, "PATCH", location(created), fragment("newU", PWD), content_type=FRAGMENT, if_match=if_match)
    assert response.status == 200
    assert response.header("content-type") == FRAGMENT
    assert etag(response) != etag(created)
    answer = parse_fragment(response.body)
    assert answer.credentials == relay.sessions[0].ice != before
    assert answer.ice_lite and answer.complete
    assert [s.mid for s in answer.sections] == ["0"]
    assert {c.port for c in answer.all_candidates()} == {relay.engine.port}
    assert relay.sessions[0].remote_ufrag == "newU"
    # The old ETag is stale now, trickle goes on with the new one.
    for tag, status in ((etag(created), 412), (etag(response), 204)):
        again = await ask(relay, "PATCH", location(created), fragment("newU"), content_type=FRAGMENT, if_match=tag)
        assert again.status == status


async def test_credentials_that_are_known_are_no_restart(relay: Relay) -> None:
    created = await publish(relay)
    pwd = parse(PUBLISHER).media[0].ice_pwd
    response = await ask(relay, "PATCH", location(created), fragment(UFRAG, pwd), content_type=FRAGMENT, if_match="*")
    assert (response.status, response.header("etag")) == (204, None)


async def test_two_restarts_with_one_etag(relay: Relay) -> None:
    created = await publish(relay)
    headers = {"content_type": FRAGMENT, "if_match": etag(created)}
    responses = await asyncio.gather(
        *(ask(relay, "PATCH", location(created), fragment(f"new{n}", PWD), **headers) for n in range(2))
    )
    assert sorted(r.status for r in responses) == [200, 412]


async def test_restart_of_a_session_that_ends_meanwhile(relay: Relay) -> None:
    created = await publish(relay)
    async with relay.sessions[0].lock:
        body = fragment("newU", PWD)
        patching = asyncio.ensure_future(ask(relay, "PATCH", location(created), body, content_type=FRAGMENT, if_match="*"))
        await asyncio.sleep(0)  # it has found the session and waits for its turn
        assert (await ask(relay, "DELETE", location(created))).status == 200
        assert not patching.done()
    assert (await patching).status == 404


async def test_failed_restart_keeps_the_old_session(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    created = await publish(relay)
    session = relay.sessions[0]
    before = (session.ice, session.remote_ufrag, session.etag)

    async def fail(self: Batch) -> None:
        raise EngineError("restart: no")

    with monkeypatch.context() as patch:
        patch.setattr(Batch, "commit", fail)
        response = await ask(relay, "PATCH", location(created), fragment("newU", PWD), content_type=FRAGMENT, if_match="*")
    assert response.status == 500
    assert (session.ice, session.remote_ufrag, session.etag) == before
    assert relay.sessions == [session]
    response = await ask(relay, "PATCH", location(created), fragment("newU", PWD), content_type=FRAGMENT, if_match="*")
    assert response.status == 200


# Tokens

RIGHT, WRONG, OTHER, NONE = "Bearer publish", "Bearer nope", "Bearer watch", ""
METHODS = ["POST", "PATCH", "DELETE", "GET", "HEAD"]


@pytest.mark.parametrize(
    ("role", "method", "given"), list(itertools.product(["whip", "whep"], METHODS, ["right", "wrong", "none"]))
)
async def test_authorization_matrix(role: str, method: str, given: str) -> None:
    """30 cases: both protocols, every verb but OPTIONS, with the right token, the other protocol's one, and none."""
    async with Relay(udp_port=0, token="publish", watch_token="watch") as relay:
        right, other = ("publish", "watch") if role == "whip" else ("watch", "publish")
        made = await post(relay, "/r/whip", PUBLISHER, authorization="Bearer publish")
        if role == "whep":
            made = await post(relay, "/r/whep", VIEWER, authorization="Bearer watch")
        assert made.status == 201
        headers = {"right": {"authorization": f"Bearer {right}"}, "wrong": {"authorization": f"Bearer {other}"}, "none": {}}[
            given
        ]
        path = "/r/" + role if method == "POST" else location(made)
        kind = SDP if method == "POST" else FRAGMENT
        body = {"POST": PUBLISHER if role == "whip" else VIEWER, "PATCH": fragment("newU", PWD)}.get(method, b"")
        before = len(relay.sessions)
        response = await ask(relay, method, path, body, content_type=kind, if_match="*", **headers)
        if given == "right":
            assert response.status in (200, 201, 204, 409), response.status  # 409: the room has its publisher
        else:
            assert response.status == 401
            challenge = response.header("www-authenticate") or ""
            assert challenge.startswith("Bearer ")
            assert ("invalid_token" in challenge) == (given == "wrong")
            assert len(relay.sessions) == before


@pytest.mark.parametrize(
    "given",
    [
        "publish",
        "Basic publish",
        "Bearer",
        "Bearer ",
        "Bearer publis",
        "Bearer publishx",
        "Bearer PUBLISH",
        "Bearer publish extra",
        "Bearerpublish",
        "Bearer \udcff",
        "Bearer é",
        "Bearer watch",
    ],
)
async def test_what_is_no_token(given: str) -> None:
    async with Relay(udp_port=0, token="publish", watch_token="watch") as relay:
        assert (await post(relay, "/r/whip", PUBLISHER, authorization=given)).status == 401


@pytest.mark.parametrize("given", ["Bearer publish", "bearer publish", "BEARER  publish "])
async def test_what_is_the_token(given: str) -> None:
    async with Relay(udp_port=0, token="publish") as relay:
        assert (await post(relay, "/r/whip", PUBLISHER, authorization=given)).status == 201


async def test_tokens_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the one function that is made for it, on every request that needs a token."""
    compared: list[tuple[bytes, bytes]] = []

    def compare(a: bytes, b: bytes) -> bool:
        compared.append((a, b))
        return hmac.compare_digest(a, b)

    monkeypatch.setattr(whip, "hmac", type("Hmac", (), {"compare_digest": staticmethod(compare)}))
    async with Relay(udp_port=0, token="publish") as relay:
        for method in METHODS:
            assert (await ask(relay, method, "/r/whip/x", authorization="Bearer nope")).status == 401
    assert compared == [(b"nope", b"publish")] * len(METHODS)


@pytest.mark.parametrize("token", ["a b", "é", "x\n", "\t"])
def test_token_that_no_header_can_carry(token: str) -> None:
    with pytest.raises(ValueError, match="^token"):
        RelayConfig(token=token)
    with pytest.raises(ValueError, match="^watch_token"):
        RelayConfig(watch_token=token)


# Faults of ours, floods


async def test_our_fault_is_500_and_readable_by_scripts(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*args: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(relay, "publish", fail)
    response = await post(relay, "/r/whip", PUBLISHER)
    assert response.status == 500
    assert b"secret" not in response.body


async def test_too_many_requests_of_one_address() -> None:
    async with Relay(udp_port=0, requests_per_second=1) as relay:
        statuses = [(await ask(relay, "DELETE", "/r/whip/x")).status for _ in range(7)]
        assert statuses == [404] * 5 + [429] * 2
        refused = await ask(relay, "POST", "/r/whip", PUBLISHER)
        assert (refused.status, refused.header("retry-after")) == (429, "1")
        assert (await ask(relay, "GET", "/r/whip")).status == 204
        assert (await ask(relay, "DELETE", "/r/whip/x", remote="203.0.113.8")).status == 404


def test_rate_limit() -> None:
    now = 0.0
    limit = RateLimit(2, lambda: now)
    assert [limit.allows("192.0.2.1") for _ in range(11)] == [True] * 10 + [False]
    now = 1.0
    assert [limit.allows("192.0.2.1") for _ in range(3)] == [True, True, False]
    assert limit.allows("::ffff:192.0.2.1") is False, "the same host"
    # One host of IPv6 is its /64.
    assert sum(limit.allows(f"2001:db8::{n:x}") for n in range(20)) == 10
    assert limit.allows("2001:db8:0:1::1")
    for free in ("127.0.0.1", "::1", "::ffff:127.0.0.1", "", "testclient"):
        assert all(limit.allows(free) for _ in range(50)), free
    assert all(RateLimit(0).allows("192.0.2.1") for _ in range(50))


def test_rate_limit_forgets() -> None:
    limit = RateLimit(1, lambda: 0.0)
    for n in range(MOST_ADDRESSES + 10):
        limit.allows(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}")
    assert len(limit._buckets) == MOST_ADDRESSES


@pytest.mark.parametrize("url", ["http://x", "turn:", "turn:a b", "turn:h>; rel=x", "turn:h\r\nSet-Cookie: a"])
def test_ice_server_that_is_none(url: str) -> None:
    with pytest.raises(ValueError, match="ICE server"):
        IceServer(url)


async def test_viewer_does_not_end_with_the_publishers_session(relay: Relay) -> None:
    created = await publish(relay)
    await watch(relay)
    assert (await ask(relay, "DELETE", location(created))).status == 200
    assert [s.role for s in relay.sessions] == ["watch"]
    assert "r" in relay.rooms
    await publish(relay)
    assert len(relay.rooms["r"].viewers) == 1
