"""WHIP (RFC 9725) and WHEP as functions from a request to a response; the server around them is somebody else's."""

from __future__ import annotations

import hmac
import logging
import re
from urllib.parse import quote
from weakref import WeakKeyDictionary

from ..sdp import (
    Fragment,
    FragmentSection,
    NegotiationError,
    SdpError,
    parse,
    parse_fragment,
    write,
    write_fragment,
)
from ..sdp.description import Group
from .config import valid_room
from .http import MAX_BODY, HttpError, Request, Response
from .rate import RateLimit
from .relay import RETRY_AFTER_S, Joining, Relay
from .session import PUBLISH, WATCH, Session

log = logging.getLogger("rtcengine.relay")

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"

CORS = (
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Expose-Headers", "Location, ETag, Link, Accept-Post, Accept-Patch, Allow, Retry-After"),
)
_PREFLIGHT = (
    ("Access-Control-Allow-Methods", "OPTIONS, GET, HEAD, POST, PATCH, DELETE"),
    ("Access-Control-Allow-Headers", "Authorization, Content-Type, If-Match"),
    ("Access-Control-Max-Age", "86400"),
)
_OF_ENDPOINT = "OPTIONS, GET, HEAD, POST"
_OF_SESSION = "OPTIONS, GET, HEAD, PATCH, DELETE"
_COSTLY = ("POST", "PATCH", "DELETE")
_rates: WeakKeyDictionary[Relay, RateLimit] = WeakKeyDictionary()
_ETAG = re.compile(r'(?:W/)?"[^"]*"')  # RFC 9110 §8.8.3


def route(path: str) -> tuple[str, str, str] | None:
    """(room, "whip" or "whep", session id or "") when the path is one of theirs, else None. One slash may trail."""
    parts = path.removesuffix("/").split("/")[1:]
    if len(parts) not in (2, 3) or parts[1] not in ("whip", "whep") or not parts[-1]:
        return None
    return parts[0], parts[1], parts[2] if len(parts) == 3 else ""


async def handle(relay: Relay, request: Request) -> Response:
    """Answers one request whose path `route` knows. A script of any origin may read every answer, errors above all."""
    found = route(request.path)
    try:
        if found is None:
            raise HttpError(404, "no such address")
        response = await _dispatch(relay, request, *found)
    except HttpError as error:
        response = error.response()
    except SdpError as error:
        response = HttpError(400, str(error)).response()
    except NegotiationError as error:
        response = HttpError(error.status, str(error)).response()
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        response = HttpError(500, "the relay failed; its log says why").response()
    response.headers.extend(CORS)
    return response


async def _dispatch(relay: Relay, request: Request, room: str, protocol: str, session_id: str) -> Response:
    role = PUBLISH if protocol == "whip" else WATCH
    token = relay.config.token if role == PUBLISH else relay.config.watch_token
    if request.method == "OPTIONS":
        return _options(relay, request, token, session_id)
    if not valid_room(room):
        raise HttpError(404, "a room's name is 1 to 64 of A-Z a-z 0-9 _ -")
    if request.method in _COSTLY:  # before the token is looked at: guesses count too
        rate = _rates.setdefault(relay, RateLimit(relay.config.requests_per_second))
        if not rate.allows(request.remote):
            raise HttpError(429, "too many requests from your address", ("Retry-After", "1"))
    _authorize(token, request)
    if not session_id:
        return await _endpoint(relay, request, room, role)
    session = relay.session(session_id)
    if session is None or session.room.name != room or session.role != role:
        raise HttpError(404, "no such session")
    match request.method:
        case "PATCH":
            async with session.lock:  # the ETag that was compared must still hold when the restart is done
                if relay.session(session_id) is not session:
                    raise HttpError(404, "no such session")
                return await _patch(relay, request, session)
        case "DELETE":
            await relay.end(session)
            return Response(200)
        case "GET" | "HEAD":
            return Response(204, [("ETag", f'"{session.etag}"'), ("Accept-Patch", FRAGMENT)])
        case _:
            raise HttpError(405, f"{request.method} is not for a session", ("Allow", _OF_SESSION))


async def _endpoint(relay: Relay, request: Request, room: str, role: str) -> Response:
    match request.method:
        case "POST":
            return await _post(relay, request, room, role)
        case "HEAD" if role == WATCH:
            return Response(200, [("Content-Type", SDP), ("Accept-Post", SDP)])
        case "GET" | "HEAD":
            return Response(204, [("Accept-Post", SDP)])
        case _:
            raise HttpError(405, f"{request.method} is not for an endpoint", ("Allow", _OF_ENDPOINT))


def _options(relay: Relay, request: Request, token: str, session_id: str) -> Response:
    """No token is asked for: a browser's preflight carries none. Credentials of ICE servers are for those who have it,
    and never on a preflight (RFC 9725 §4.6)."""
    headers = [("Allow", _OF_SESSION), ("Accept-Patch", FRAGMENT)]
    if not session_id:
        headers = [("Allow", _OF_ENDPOINT), ("Accept-Post", SDP)]
    if request.header("access-control-request-method"):
        headers += _PREFLIGHT
    elif not session_id and _has_token(token, request):
        headers += _links(relay)
    return Response(200, headers)


def _has_token(token: str, request: Request) -> bool:
    if not token:
        return True
    scheme, _, given = request.header("authorization").partition(" ")
    # Bytes that are no UTF-8 came through as surrogates; the comparison takes as long whatever differs.
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(errors="surrogateescape"), token.encode())


def _authorize(token: str, request: Request) -> None:
    if _has_token(token, request):
        return
    if not request.header("authorization"):
        raise HttpError(401, "a token is needed", ("WWW-Authenticate", 'Bearer realm="rtcengine"'))
    challenge = 'Bearer realm="rtcengine", error="invalid_token"'  # RFC 6750 §3.1
    raise HttpError(401, "this token is not the right one", ("WWW-Authenticate", challenge))


def _body(request: Request, content_type: str) -> bytes:
    accepted = ("Accept-Post" if content_type == SDP else "Accept-Patch", content_type)
    if request.content_type != content_type:
        raise HttpError(415, f"the body must be {content_type}", accepted)
    if request.header("content-encoding").lower() not in ("", "identity"):
        raise HttpError(415, "the body must not be compressed", accepted)
    if len(request.body) > MAX_BODY:
        raise HttpError(413, f"the body is larger than {MAX_BODY} bytes")
    return request.body


async def _post(relay: Relay, request: Request, room: str, role: str) -> Response:
    if relay.draining:
        raise HttpError(503, "this relay is closing", ("Retry-After", str(RETRY_AFTER_S)))
    offer = parse(_body(request, SDP))
    joining = Joining(room, role, request.remote, request.header("user-agent"), request.header("authorization"))
    if role == PUBLISH:
        session, answer = await relay.publish(offer, joining)
    else:
        session, answer = await relay.watch(offer, joining, request.query.get("layer", ""))
    headers = [
        ("Content-Type", SDP),
        ("Location", quote(request.mount) + session.path),
        ("ETag", f'"{session.etag}"'),
        ("Accept-Patch", FRAGMENT),
        *_links(relay),
    ]
    return Response(201, headers, write(answer.description).encode())


def _links(relay: Relay) -> list[tuple[str, str]]:
    return [("Link", server.link()) for server in relay.config.ice_servers]


async def _patch(relay: Relay, request: Request, session: Session) -> Response:
    """Trickled candidates are read and let go: a lite agent sends no checks. New credentials restart ICE."""
    condition = request.header("if-match").strip() or ("*" if relay.config.lenient_etag else "")
    if not condition:
        raise HttpError(428, "If-Match is needed")
    fragment = parse_fragment(_body(request, FRAGMENT))
    if not _matches(condition, session.etag):
        raise HttpError(412, "the session has a newer ETag")
    credentials = fragment.credentials
    if credentials is not None and credentials[0] != session.remote_ufrag:
        return await _restart(relay, session, credentials)
    if fragment.ufrag is not None and fragment.ufrag != session.remote_ufrag:
        raise HttpError(422, "an ICE restart needs a=ice-pwd beside a=ice-ufrag")
    return Response(204)


def _matches(condition: str, etag: str) -> bool:
    """RFC 9110 §13.1.1: "*" or a list, compared strongly, so a weak ETag never matches."""
    return condition == "*" or f'"{etag}"' in _ETAG.findall(condition)


async def _restart(relay: Relay, session: Session, credentials: tuple[str, str]) -> Response:
    """A restart that fails raises before anything of the session has changed."""
    ufrag, pwd = await relay.restart_ice(session, *credentials)
    session.renew_etag()
    first = session.sections[0]  # it speaks for the whole BUNDLE group, as in the example of RFC 9725 §4.3.3
    section = FragmentSection(
        kind=first.kind,
        mid=first.mid,
        ice_ufrag=ufrag,
        ice_pwd=pwd,
        candidates=list(relay.candidates()),
        end_of_candidates=True,
    )
    mids = tuple(s.mid for s in session.sections if s.mid is not None)
    groups = [Group("BUNDLE", mids)] if mids else []
    answer = Fragment(ice_lite=True, ice_options=["trickle", "ice2"], groups=groups, sections=[section])
    headers = [("Content-Type", FRAGMENT), ("ETag", f'"{session.etag}"')]
    return Response(200, headers, write_fragment(answer).encode())
