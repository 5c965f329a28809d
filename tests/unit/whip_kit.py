"""What tests of WHIP and WHEP share: offers as clients write them, requests without a server, and what every answer has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rtcengine.relay import Relay
from rtcengine.relay.http import Request, Response
from rtcengine.relay.site import serve
from rtcengine.relay.whip import route
from rtcengine.sdp import SessionDescription, parse, write

VECTORS = Path(__file__).parents[1] / "vectors" / "sdp"
SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"
CLIENT = "203.0.113.7"


def offer(name: str) -> bytes:
    return (VECTORS / f"{name}.sdp").read_bytes()


PUBLISHER = offer("chromium_offer")
VIEWER = offer("chromium_whep_offer")


def changed(data: bytes, **fields: Any) -> bytes:
    """The offer with these fields of every section set."""
    description: SessionDescription = parse(data)
    for section in description.media:
        for name, value in fields.items():
            setattr(section, name, value)
    return write(description).encode()


async def ask(relay: Relay, method: str, path: str, body: bytes = b"", remote: str = CLIENT, **headers: str) -> Response:
    """One request; underscores in names of headers stand for dashes."""
    names = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    response = await serve(relay, Request(method, path, names, body=body, remote=remote))
    if route(path) is not None:
        assert response.header("access-control-allow-origin") == "*", "scripts of any origin may read every answer"
        exposed = response.header("access-control-expose-headers") or ""
        assert {"Location", "ETag", "Link", "Accept-Post"} <= set(exposed.split(", "))
    return response


async def post(relay: Relay, path: str, body: bytes, **headers: str) -> Response:
    return await ask(relay, "POST", path, body, content_type=SDP, **headers)


async def publish(relay: Relay, room: str = "r", body: bytes = PUBLISHER) -> Response:
    response = await post(relay, f"/{room}/whip", body)
    assert response.status == 201, response.body
    return response


async def watch(relay: Relay, room: str = "r", body: bytes = VIEWER) -> Response:
    response = await post(relay, f"/{room}/whep", body)
    assert response.status == 201, response.body
    return response


def location(response: Response) -> str:
    found = response.header("location")
    assert found is not None
    return found


def etag(response: Response) -> str:
    found = response.header("etag")
    assert found is not None
    assert found.startswith('"') and found.endswith('"'), "strong (RFC 9725 §4.3.1)"
    return found


def fragment(ufrag: str, pwd: str | None = None, *candidates: str) -> bytes:
    lines = [f"a=ice-ufrag:{ufrag}", *([f"a=ice-pwd:{pwd}"] if pwd else []), "m=audio 9 UDP/TLS/RTP/SAVPF 0", "a=mid:0"]
    return "\r\n".join([*lines, *(f"a=candidate:{c}" for c in candidates), ""]).encode()
