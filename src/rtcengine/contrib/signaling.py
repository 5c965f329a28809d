"""Ways to swap descriptions for examples and tests, by aiortc's names: by hand, or as lines of JSON over a socket."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable

from .. import RTCIceCandidate, RTCSessionDescription
from ..sdp import candidate_from_sdp, candidate_to_sdp

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Took = Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]
MAX_LINE = 1 << 20


class SignalingBye:
    """The other side leaves; `BYE` is the one there is."""


BYE = SignalingBye()
Message = RTCSessionDescription | RTCIceCandidate | SignalingBye


def object_from_string(message_str: str) -> Message:
    """What `object_to_string` wrote. ValueError for anything else."""
    message = json.loads(message_str)
    kind = message.get("type") if isinstance(message, dict) else None
    try:
        if kind in ("offer", "answer"):
            return RTCSessionDescription(sdp=message["sdp"], type=kind)
        if kind == "candidate":
            candidate = candidate_from_sdp(message["candidate"])
            candidate.sdpMid, candidate.sdpMLineIndex = message["id"], message["label"]
            return candidate
    except KeyError as error:
        raise ValueError(f"a message of type {kind} without {error}") from None
    if kind != "bye":
        raise ValueError(f"no message of signaling: {message_str[:80]!r}")
    return BYE


def object_to_string(obj: Message) -> str:
    """One line of JSON."""
    message: dict[str, str | int | None]
    if isinstance(obj, RTCSessionDescription):
        message = {"type": obj.type, "sdp": obj.sdp}
    elif isinstance(obj, RTCIceCandidate):
        text = f"candidate:{candidate_to_sdp(obj)}"
        message = {"type": "candidate", "candidate": text, "id": obj.sdpMid, "label": obj.sdpMLineIndex}
    elif isinstance(obj, SignalingBye):
        message = {"type": "bye"}
    else:
        raise TypeError(f"a {type(obj).__name__} cannot be sent by signaling")
    return json.dumps(message, sort_keys=True)


class BaseSignaling(ABC):
    """Sends and receives descriptions, candidates and `BYE`."""

    @abstractmethod
    async def connect(self) -> None:
        """To be awaited first."""

    @abstractmethod
    async def close(self) -> None:
        """Says BYE."""

    @abstractmethod
    async def send(self, descr: Message) -> None: ...

    @abstractmethod
    async def receive(self) -> Message | None:
        """The next message, None when the other side is gone."""


class CopyAndPasteSignaling(BaseSignaling):
    """A person carries the lines, from standard output to the other program's standard input."""

    def __init__(self) -> None:
        self._read_pipe, self._write_pipe = sys.stdin, sys.stdout
        self._reader: asyncio.StreamReader | None = None
        self._transport: asyncio.ReadTransport | None = None

    async def connect(self) -> None:
        reader = asyncio.StreamReader(limit=MAX_LINE)
        self._transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), self._read_pipe
        )
        self._reader = reader

    async def close(self) -> None:
        if self._reader is not None and self._transport is not None:
            await self.send(BYE)
            self._transport.close()
            self._reader = None

    async def send(self, descr: Message) -> None:
        self._write_pipe.write(f"-- Send this line to the other side --\n{object_to_string(descr)}\n\n")
        self._write_pipe.flush()

    async def receive(self) -> Message | None:
        if self._reader is None:
            raise ConnectionError("not connected")
        self._write_pipe.write("-- Enter a line of the other side --\n")
        self._write_pipe.flush()
        line = await self._reader.readline()
        return object_from_string(line.decode()) if line else None


class _SocketSignaling(BaseSignaling):
    """Whoever sends first listens, whoever receives first connects."""

    def __init__(self) -> None:
        self._streams: Streams | None = None
        self._server: asyncio.Server | None = None

    async def connect(self) -> None:
        """The connection is made by the first message."""

    @abstractmethod
    async def _listen(self, took: Took) -> asyncio.Server: ...

    @abstractmethod
    def _dial(self) -> Awaitable[Streams]: ...

    async def close(self) -> None:
        if self._streams is not None:
            await self.send(BYE)
            self._streams[1].close()
            self._streams = None
        if self._server is not None:
            self._server.close()
            self._server = None

    async def send(self, descr: Message) -> None:
        if self._streams is None:
            came: asyncio.Future[Streams] = asyncio.get_running_loop().create_future()
            self._server = await self._listen(lambda r, w: None if came.done() else came.set_result((r, w)))
            self._streams = await came
        self._streams[1].write(f"{object_to_string(descr)}\n".encode())

    async def receive(self) -> Message | None:
        if self._streams is None:
            self._streams = await self._dial()
        try:
            return object_from_string((await self._streams[0].readuntil()).decode())
        except asyncio.IncompleteReadError:
            return None


class TcpSocketSignaling(_SocketSignaling):
    """Over TCP."""

    def __init__(self, host: str, port: int | str) -> None:
        super().__init__()
        self._host, self._port = host, int(port)

    async def _listen(self, took: Took) -> asyncio.Server:
        return await asyncio.start_server(took, self._host, self._port, limit=MAX_LINE)

    def _dial(self) -> Awaitable[Streams]:
        return asyncio.open_connection(self._host, self._port, limit=MAX_LINE)


class UnixSocketSignaling(_SocketSignaling):
    """Over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    async def close(self) -> None:
        served = self._server is not None
        await super().close()
        if served:  # Python before 3.13 leaves it there
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path)

    async def _listen(self, took: Took) -> asyncio.Server:
        return await asyncio.start_unix_server(took, self._path, limit=MAX_LINE)

    def _dial(self) -> Awaitable[Streams]:
        return asyncio.open_unix_connection(self._path, limit=MAX_LINE)


def add_signaling_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that `create_signaling` looks at."""
    parser.add_argument("-s", "--signaling", choices=["copy-and-paste", "tcp-socket", "unix-socket"])
    parser.add_argument("--signaling-host", default="127.0.0.1", help="of tcp-socket")
    parser.add_argument("--signaling-port", default=1234, help="of tcp-socket")
    parser.add_argument("--signaling-path", default="aiortc.socket", help="of unix-socket")


def create_signaling(args: argparse.Namespace) -> BaseSignaling:
    """As the options say; by hand when they say nothing."""
    if args.signaling == "tcp-socket":
        return TcpSocketSignaling(args.signaling_host, args.signaling_port)
    if args.signaling == "unix-socket":
        return UnixSocketSignaling(args.signaling_path)
    return CopyAndPasteSignaling()
