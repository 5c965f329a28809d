"""The API of 2013 on the one of today: callbacks in place of promises, streams in place of tracks, servers with a `url`.

Deprecated, as a DeprecationWarning says; all of it maps to what else is there. Dicts in place of objects are not deprecated.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import re
import warnings
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar, cast

from ..media.handlers import Handler
from ..media.stream import MediaStream
from .configuration import RTCConfiguration, RTCIceServer
from .description import RTCIceCandidate, RTCSessionDescription

Method = TypeVar("Method", bound=Callable[..., Coroutine[Any, Any, Any]])

_OLD_TURN = re.compile(r"(turns?:)([^@/?]+)@(.*)", re.I)
"""With the user in the URL, as before RFC 7065."""


@dataclass(frozen=True, slots=True)
class RTCPeerConnectionIceEvent:
    """`candidate` is None when there will be no more."""

    candidate: RTCIceCandidate | None
    target: Any


@dataclass(frozen=True, slots=True)
class RTCDataChannelEvent:
    """The channel that the peer opened."""

    channel: Any
    target: Any


@dataclass(frozen=True, slots=True)
class MediaStreamEvent:
    """The stream that the peer added or removed."""

    stream: MediaStream
    target: Any


class _IceHandler(Handler):
    """Is also told at the end, with None, as in browsers."""

    def _listeners(self, target: Any, tell: Callable[[Any], Any]) -> list[tuple[str, Callable[..., Any]]]:
        def gathering() -> Any:
            return tell(_ice_event(target, None)) if target.iceGatheringState == "complete" else None

        return [*super()._listeners(target, tell), ("icegatheringstatechange", gathering)]


def _ice_event(target: Any, candidate: Any) -> RTCPeerConnectionIceEvent:
    return RTCPeerConnectionIceEvent(candidate, target)


class Handlers:
    """Of an RTCPeerConnection, by the W3C's names; `ontrack` gets the W3C's event, unlike listeners of "track"."""

    onnegotiationneeded = Handler("negotiationneeded")
    onicecandidate = _IceHandler("icecandidate", _ice_event)
    onicecandidateerror = Handler("icecandidateerror", lambda _, error: error)
    onsignalingstatechange = Handler("signalingstatechange")
    oniceconnectionstatechange = Handler("iceconnectionstatechange")
    onicegatheringstatechange = Handler("icegatheringstatechange")
    onconnectionstatechange = Handler("connectionstatechange")
    ontrack = Handler("track_event", lambda _, event: event)
    ondatachannel = Handler("datachannel", lambda target, channel: RTCDataChannelEvent(channel, target))
    onaddstream = Handler("addstream", lambda target, stream: MediaStreamEvent(stream, target))
    onremovestream = Handler("removestream", lambda target, stream: MediaStreamEvent(stream, target))
    onDataChannel = Handler("datachannel", lambda _, channel: channel)
    """As it is written in places: gets the channel itself."""


class LegacyStreams:
    """addStream and its like, over tracks."""

    def addStream(self, stream: MediaStream) -> None:
        """Deprecated: `addTrack(track, stream)` of each of its tracks."""
        _old("addStream", "addTrack(track, stream)")
        peer = cast(Any, self)
        sent = {id(sender.track) for sender in peer.getSenders()}
        for track in stream.getTracks():
            if id(track) not in sent:
                peer.addTrack(track, stream)

    def removeStream(self, stream: MediaStream) -> None:
        """Deprecated: `removeTrack(sender)` of each of its tracks."""
        _old("removeStream", "removeTrack(sender)")
        peer = cast(Any, self)
        for sender in peer.getSenders():
            if sender.track is not None and stream.getTrackById(sender.track.id) is sender.track:
                peer.removeTrack(sender)

    def getRemoteStreams(self) -> list[MediaStream]:
        """Deprecated: the peer's streams, which "track_event" brings."""
        _old("getRemoteStreams", '"track_event"')
        return list(cast(Any, self)._streams.values())


def with_callbacks(method: Method) -> Method:
    """A method that may be called with a function for its result, and one for its error, among its arguments: then it begins at
    once and nothing is returned. Deprecated."""

    @functools.wraps(method)
    def call(self: Any, *args: Any, **options: Any) -> Any:
        told = [argument for argument in args if _is_callback(argument)]
        if not told:
            return method(self, *args, **options)
        _old(f"{method.__name__} with callbacks", f"await {method.__name__}(..)")
        rest = [argument for argument in args if not _is_callback(argument)]
        task = asyncio.get_running_loop().create_task(_call_back(method(self, *rest, **options), *told[:2]))
        running = self.__dict__.setdefault("_calling_back", set())
        running.add(task)
        task.add_done_callback(running.discard)
        return None

    return cast(Method, call)


def _is_callback(argument: Any) -> bool:
    return callable(argument) and not isinstance(argument, (Mapping, RTCSessionDescription, RTCIceCandidate))


async def _call_back(
    asked: Coroutine[Any, Any, Any], success: Callable[..., Any], failure: Callable[..., Any] | None = None
) -> None:
    try:
        result = await asked
    except Exception as error:
        if failure is None:
            raise
        told = failure(error)
    else:
        told = success(result) if result is not None else success()
    if inspect.isawaitable(told):
        await told


def as_configuration(given: Any) -> Any:
    """A dict as RTCConfiguration: `iceServers` of dicts with `urls`, or `url` as it was called first."""
    if not isinstance(given, Mapping):
        return given
    known = {field.name for field in fields(RTCConfiguration)}
    if unknown := set(given) - known:
        raise TypeError(f"a configuration has no {', '.join(sorted(map(str, unknown)))}")
    servers = given.get("iceServers")
    if isinstance(servers, list):
        return RTCConfiguration(**{**given, "iceServers": [_as_server(server) for server in servers]})
    return RTCConfiguration(**given)


def _as_server(given: Any) -> Any:
    if not isinstance(given, Mapping):
        return given
    rest = {name: value for name, value in given.items() if name not in ("url", "urls")}
    urls = given.get("urls")
    if urls is None:
        _old("`url` of an ICE server", "`urls`")
        urls = given.get("url", [])
        if isinstance(urls, str) and (old := _OLD_TURN.fullmatch(urls)):
            urls = old[1] + old[3]
            rest.setdefault("username", old[2])
    try:
        return RTCIceServer(urls, **rest)
    except TypeError as error:
        raise TypeError(f"an ICE server has no such members: {error}") from None


def as_description(given: Any) -> Any:
    """A dict, as JSON has it, as RTCSessionDescription."""
    if isinstance(given, Mapping) and isinstance(given.get("type"), str):
        return RTCSessionDescription(str(given.get("sdp", "")), given["type"])
    return given


def as_candidate(given: Any) -> Any:
    """A dict, as JSON has it, as RTCIceCandidate."""
    if not isinstance(given, Mapping):
        return given
    place = (given.get("sdpMid"), given.get("sdpMLineIndex"), given.get("usernameFragment"))
    return RTCIceCandidate.from_sdp(str(given.get("candidate", "")), *place)


def channel_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """RTCDataChannelInit as arguments of createDataChannel. `reliable` False is of 2013: neither order nor repetition."""
    options = dict(given)
    if "maxRetransmitTime" in options:
        _old("`maxRetransmitTime` of a channel", "`maxPacketLifeTime`")
        options["maxPacketLifeTime"] = options.pop("maxRetransmitTime")
    if "reliable" in options:
        _old("`reliable` of a channel", "`ordered` and `maxRetransmits`")
        if not options.pop("reliable"):
            options.setdefault("ordered", False)
            if "maxPacketLifeTime" not in options:
                options.setdefault("maxRetransmits", 0)
    return options


def _old(what: str, instead: str) -> None:
    warnings.warn(f"{what} is deprecated: use {instead}", DeprecationWarning, stacklevel=3)
