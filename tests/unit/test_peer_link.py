"""A link's sockets when its connection is closed."""

from __future__ import annotations

import pytest

from rtcengine import Certificate, Engine, NetworkOptions, RTCPeerConnection
from tests.util import until

from .peer_kit import exchange


@pytest.mark.parametrize("connected", [True, False])
async def test_sockets_are_open_until_goodbye_is_said(connected: bool) -> None:
    """It may have to wait for a handshake that the engine's helper has in hand, and needs them then."""
    async with Engine(Certificate.generate(), udp=()) as engine:
        network = NetworkOptions(addresses=("127.0.0.1",), engine=engine, tcp=True)
        a, b = (RTCPeerConnection(network=network) for _ in range(2))
        a.addTransceiver("audio")
        if connected:
            await exchange(a, b)
            await until(lambda: a.connectionState == b.connectionState == "connected", what="both connected")
        else:
            await a.setLocalDescription()
            await until(lambda: a.iceGatheringState == "complete", what="gathering ends")
        (link,) = a.driver.links.values()  # type: ignore[attr-defined]
        sockets = [*link._sockets.values(), *engine.listeners[:1]]
        open_at_its_end: list[bool] = []
        heard = link.transport.on_event

        def on_event(event: object) -> None:
            if link.transport.state == "closed":
                open_at_its_end.append(not any(socket.closed for socket in sockets))
            heard(event)

        link.transport.on_event = on_event
        await a.close()
        await until(lambda: all(socket.closed for socket in sockets), what="its sockets are closed")
        assert open_at_its_end == [True]
        await b.close()
        await until(lambda: not engine.listeners and not engine._sockets, what="those of the other too")
