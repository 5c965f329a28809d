"""WHIP (RFC 9725) and WHEP as functions from a request to a response; the server around them is somebody else's."""

from __future__ import annotations

import hmac
from urllib.parse import unquote

from ..sdp import Fragment, NegotiationError, SdpError, parse, parse_fragment, write, write_fragment
from .config import valid_room
from .http import MAX_BODY, HttpError, Request, Response
from .relay import Joining, Relay
from .session import PUBLISH, WATCH, Session

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"

_METHODS = "OPTIONS, GET, HEAD, POST, PATCH, DELETE"
_CORS = [
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Expose-Headers", "Location, ETag, Link, Accept-Post, Accept-Patch, Retry-After"),
]


def route(path: str) -> tuple[str, str, str] | None:
    """(room, "whip" or "whep", session id or "") when the path is one of theirs, else None."""
    parts = [unquote(p) for p in path.split("/")[1:]]
    if len(parts) == 3 and parts[2] == "":
        parts.pop()
    if len(parts) not in (2, 3) or parts[1] not in ("whip", "whep"):
        return None
    return parts[0], parts[1], parts[2] if len(parts) == 3 else ""


async def handle(relay: Relay, request: Request) -> Response:
    """Answers one request whose path `route` knows."""
    found = route(request.path)
    if found is None:
        response = HttpError(404, "no such address").response()
    else:
        try:
            response = await _dispatch(relay, request, *found)
        except HttpError as error:
            response = error.response()
        except SdpError as error:
            response = HttpError(400, str(error)).response()
        except NegotiationError as error:
            response = HttpError(error.status, str(error)).response()
    response.headers.extend(_CORS)
    return response


async def _dispatch(relay: Relay, request: Request, room: str, protocol: str, session_id: str) -> Response:
    if request.method == "OPTIONS":
        return _options(relay, request, session_id)
    if not valid_room(room):
        raise HttpError(404, "a room's name is 1 to 64 of A-Z a-z 0-9 _ -")
    role = PUBLISH if protocol == "whip" else WATCH
    _authorize(relay.config.token if role == PUBLISH else relay.config.watch_token, request)
    if not session_id:
        return await _endpoint(relay, request, room, role)
    session = relay.session(session_id)
    if session is None or session.room.name != room or session.role != role:
        raise HttpError(404, "no such session")
    match request.method:
        case "PATCH":
            return await _patch(relay, request, session)
        case "DELETE":
            await relay.end(session)
            return Response(200)
        case "GET" | "HEAD":
            return Response(204, [("ETag", f'"{session.etag}"')])
        case _:
            raise HttpError(405, f"{request.method} is not for a session", ("Allow", "OPTIONS, GET, HEAD, PATCH, DELETE"))


async def _endpoint(relay: Relay, request: Request, room: str, role: str) -> Response:
    match request.method:
        case "POST":
            return await _post(relay, request, room, role)
        case "HEAD" if role == WATCH:
            return Response(200, [("Content-Type", SDP), ("Accept-Post", SDP)])
        case "GET" | "HEAD":
            return Response(204, [("Accept-Post", SDP)])
        case _:
            raise HttpError(405, f"{request.method} is not for an endpoint", ("Allow", "OPTIONS, GET, HEAD, POST"))


def _options(relay: Relay, request: Request, session_id: str) -> Response:
    headers = [("Allow", _METHODS), ("Accept-Patch", FRAGMENT) if session_id else ("Accept-Post", SDP)]
    if request.header("access-control-request-method"):  # a preflight: credentials of ICE servers are not for it
        headers += [
            ("Access-Control-Allow-Methods", _METHODS),
            ("Access-Control-Allow-Headers", "Authorization, Content-Type, If-Match"),
            ("Access-Control-Max-Age", "86400"),
        ]
    elif not (relay.config.token or relay.config.watch_token):
        headers += _links(relay)
    return Response(200, headers)


def _authorize(token: str, request: Request) -> None:
    if not token:
        return
    scheme, _, given = request.header("authorization").partition(" ")
    if scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode()):
        return
    raise HttpError(401, "a token is needed", ("WWW-Authenticate", 'Bearer realm="rtcengine"'))


def _text(request: Request, content_type: str) -> str:
    if request.content_type != content_type:
        raise HttpError(415, f"the body must be {content_type}", ("Accept-Post", SDP))
    if len(request.body) > MAX_BODY:
        raise HttpError(413, f"the body is larger than {MAX_BODY} bytes")
    try:
        return request.body.decode()
    except UnicodeDecodeError:
        raise HttpError(400, "the body is not UTF-8") from None


async def _post(relay: Relay, request: Request, room: str, role: str) -> Response:
    if relay.draining:
        raise HttpError(503, "this relay is closing", ("Retry-After", "2"))
    offer = parse(_text(request, SDP))
    joining = Joining(room, role, request.remote, request.header("user-agent"), request.header("authorization"))
    session, answer = await (relay.publish if role == PUBLISH else relay.watch)(offer, joining)
    headers = [
        ("Content-Type", SDP),
        ("Location", request.mount + session.path),
        ("ETag", f'"{session.etag}"'),
        ("Accept-Patch", FRAGMENT),
        *_links(relay),
    ]
    return Response(201, headers, write(answer.description).encode())


def _links(relay: Relay) -> list[tuple[str, str]]:
    return [("Link", server.link()) for server in relay.config.ice_servers]


async def _patch(relay: Relay, request: Request, session: Session) -> Response:
    """Trickled candidates are read and let go: a lite agent sends no checks. New credentials restart ICE."""
    match = request.header("if-match").strip()
    if not match:
        raise HttpError(428, "If-Match is needed")
    fragment = parse_fragment(_text(request, FRAGMENT))
    credentials = fragment.credentials
    if credentials is not None and credentials[0] != session.remote_ufrag:
        if match not in ("*", f'"{session.etag}"'):
            raise HttpError(412, "the session has a newer ETag")
        return await _restart(relay, session, credentials)
    if match not in ("*", f'"{session.etag}"'):
        raise HttpError(412, "the session has a newer ETag")
    if fragment.ufrag is not None and fragment.ufrag != session.remote_ufrag:
        raise HttpError(422, "an ICE restart needs a=ice-pwd beside a=ice-ufrag")
    return Response(204)


async def _restart(relay: Relay, session: Session, credentials: tuple[str, str]) -> Response:
    ufrag, pwd = await relay.restart_ice(session, *credentials)
    session.renew_etag()
    answer = Fragment(ice_ufrag=ufrag, ice_pwd=pwd, ice_lite=True, candidates=list(relay.candidates()), end_of_candidates=True)
    headers = [("Content-Type", FRAGMENT), ("ETag", f'"{session.etag}"')]
    return Response(200, headers, write_fragment(answer).encode())
