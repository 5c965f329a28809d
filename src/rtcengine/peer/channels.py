"""Data channels as a program holds them, and the transport below them (W3C §6). Messages flow once there is an association."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyee.asyncio import AsyncIOEventEmitter

from ..media.handlers import Handler, MessageEvent
from .driver import RTCDataChannelParameters
from .effects import DataPlan
from .errors import InvalidStateError
from .parameters import RTCSctpCapabilities
from .state import MAX_MESSAGE_SIZE

if TYPE_CHECKING:
    from .connection import RTCPeerConnection
    from .transports import RTCDtlsTransport


class RTCDataChannel(AsyncIOEventEmitter):
    """Events: open, message, bufferedamountlow, closing, close, error."""

    onopen = Handler("open")
    onmessage = Handler("message", lambda target, data: MessageEvent(data, target))
    onbufferedamountlow = Handler("bufferedamountlow")
    onclosing = Handler("closing")
    onclose = Handler("close")
    onerror = Handler("error", lambda _, error=None: error)

    def __init__(self, transport: RTCSctpTransport, parameters: RTCDataChannelParameters) -> None:
        super().__init__()
        self._transport, self._parameters = transport, parameters
        self._state = "connecting"
        self._threshold = 0

    @property
    def label(self) -> str:
        return self._parameters.label

    @property
    def protocol(self) -> str:
        return self._parameters.protocol

    @property
    def ordered(self) -> bool:
        return self._parameters.ordered

    @property
    def maxPacketLifeTime(self) -> int | None:
        return self._parameters.maxPacketLifeTime

    @property
    def maxRetransmits(self) -> int | None:
        return self._parameters.maxRetransmits

    @property
    def negotiated(self) -> bool:
        return self._parameters.negotiated

    @property
    def id(self) -> int | None:
        """The stream; None until it is known who has the even ones."""
        return self._parameters.id

    @property
    def readyState(self) -> str:
        """connecting, open, closing or closed."""
        return self._state

    @property
    def transport(self) -> RTCSctpTransport:
        return self._transport

    @property
    def bufferedAmount(self) -> int:
        """Bytes that `send` has taken and the network has not."""
        return 0

    @property
    def bufferedAmountLowThreshold(self) -> int:
        return self._threshold

    @bufferedAmountLowThreshold.setter
    def bufferedAmountLowThreshold(self, value: int) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 0xFFFFFFFF:
            raise ValueError("bufferedAmountLowThreshold is not a number from 0 to 4294967295")
        self._threshold = value

    def send(self, data: str | bytes | bytearray | memoryview) -> None:
        """InvalidStateError unless the channel is open."""
        if not isinstance(data, (str, bytes, bytearray, memoryview)):
            raise TypeError(f"cannot send a {type(data).__name__}: text or bytes are known")
        raise InvalidStateError(f"the channel is {self._state}")

    def close(self) -> None:
        if self._state in ("closing", "closed"):
            return
        self._state = "closed"
        self.emit("close")
        self.remove_all_listeners()


class RTCSctpTransport(AsyncIOEventEmitter):
    """What carries the channels. `state`: connecting, connected or closed."""

    def __init__(self, peer: RTCPeerConnection) -> None:
        super().__init__()
        self._peer = peer
        self._transport: RTCDtlsTransport | None = None
        self.state = "connecting"
        self.maxMessageSize: int | None = None
        self.maxChannels: int | None = None

    @property
    def mid(self) -> str | None:
        """Of its section."""
        return self._peer.jsep.state.data_mid

    @property
    def transport(self) -> RTCDtlsTransport | None:
        """What is below it, None before it is negotiated; the last one once the connection is closed."""
        self._transport = self._peer.transports.of_section(self.mid) or self._transport
        return self._transport

    @classmethod
    def getCapabilities(cls) -> RTCSctpCapabilities:
        """What we take."""
        return RTCSctpCapabilities(MAX_MESSAGE_SIZE)


class Channels:
    """All channels of a connection."""

    def __init__(self, peer: RTCPeerConnection) -> None:
        self._peer = peer
        self._made: list[RTCDataChannel] = []
        self._transport = RTCSctpTransport(peer)
        self._wanted = False
        self.opened = self.closed = 0
        """How many channels have opened ever, and of these closed."""

    @property
    def sctp(self) -> Any:
        return self._transport if self._wanted else None

    def create(self, parameters: RTCDataChannelParameters) -> RTCDataChannel:
        taken = {channel.id for channel in self._made if channel.readyState != "closed"}
        if parameters.id is not None and parameters.id in taken:
            raise ValueError(f"id {parameters.id} is a channel's already")
        self._wanted = True
        channel = RTCDataChannel(self._transport, parameters)
        self._made.append(channel)
        return channel

    def open(self, data: DataPlan) -> None:
        self._wanted = True
        self._transport.maxMessageSize = data.max_message_size

    def close(self) -> None:
        self._transport.state = "closed"
        for channel in self._made:
            channel.close()
        self._made.clear()
