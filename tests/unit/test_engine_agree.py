"""What a later negotiation changes of transports and streams that live, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial

import pytest

from rtcengine import Certificate, Engine, IceConfig, RecvConfig, SendConfig, Transport, TransportConfig
from rtcengine.config import PayloadType
from tests.unit.engine_pair import DELTA_FRAME, HERE, KEY_FRAME, OPUS_FRAME
from tests.util import until

NEAR, FAR = Certificate.generate(), Certificate.generate()
A, B = ("aaaa", "a" * 22), ("bbbb", "b" * 22)
MID = "urn:ietf:params:rtp-hdrext:sdes:mid"


def fingerprints(certificate: Certificate) -> tuple[tuple[str, bytes], ...]:
    return (("sha-256", certificate.digest()),)


@dataclass
class Pair:
    near: Transport
    far: Transport


@contextlib.asynccontextmanager
async def full() -> AsyncIterator[Pair]:
    """Two full agents, of which `near` is made before it knows the other."""
    async with Engine(NEAR, udp=HERE) as one, Engine(FAR, udp=HERE) as other:
        batch = one.batch()
        near = batch.transport(TransportConfig(ice=IceConfig(*A), ice_role="controlling", ice_survives=True))
        batch.path(near, ("127.0.0.1", other.port))
        await batch.commit()
        batch = other.batch()
        config = TransportConfig(
            ice=IceConfig(*B, *A), ice_role="controlled", ice_survives=True, dtls_client=True, fingerprints=fingerprints(NEAR)
        )
        far = batch.transport(config)
        batch.path(far, ("127.0.0.1", one.port))
        await batch.commit()
        # The far one asks already, and is answered.
        await until(lambda: answered(other, far))
        assert far.state == "checked" and near.state == "new"
        batch = one.batch()
        batch.meet(near, IceConfig(*A, *B), fingerprints(FAR), dtls_client=False)
        await batch.commit()
        await asyncio.wait_for(asyncio.gather(near.wait("connected"), far.wait("connected")), 10)
        yield Pair(near, far)


async def answered(engine: Engine, transport: Transport) -> int:
    return (await engine.stats()).transports[transport.id].stun_answers


async def packets(pair: Pair, id: int) -> int:
    return (await pair.far.engine.stats()).receivers[id].packets


async def test_a_transport_meets_its_peer_later() -> None:
    async with full() as pair:
        batch = pair.near.engine.batch()
        with pytest.raises(ValueError, match="fingerprint"):
            batch.meet(pair.near, IceConfig(*A, *B), (), dtls_client=False)


async def test_the_peer_changes_payload_type_and_codec() -> None:
    vp8 = {"video": True, "codec": "VP8", "clock_rate": 90000, "mid": "v"}
    others = (PayloadType(codec="VP8", pt=100, rtx_pt=101, clock_rate=90000), PayloadType(codec="VP9", pt=98, clock_rate=90000))
    async with full() as pair:
        batch = pair.far.engine.batch()
        receiver = batch.receive(pair.far, RecvConfig(**vp8, pt=96, frames=True, others=others))
        await batch.commit()
        batch = pair.near.engine.batch()
        sender = batch.send(pair.near, SendConfig(**vp8, pt=96, ssrc=1))
        await batch.commit()
        frames = receiver.frames()
        sender.send_frame(KEY_FRAME, 0, True)
        first = await asyncio.wait_for(anext(frames), 10)
        assert (bytes(first.data), first.codec, first.key) == (KEY_FRAME, "VP8", True)
        batch = pair.near.engine.batch()
        batch.reconfigure(sender, SendConfig(**vp8, pt=100, ssrc=1))
        await batch.commit()
        # Numbers go on, so what follows is a difference to the peer still; a decoder begins at a key frame.
        sender.send_frame(DELTA_FRAME, 3000, False)
        sender.send_frame(KEY_FRAME, 6000, True)
        second = await asyncio.wait_for(anext(frames), 10)
        assert bytes(second.data) == KEY_FRAME and second.timestamp > first.timestamp


async def test_streams_end_and_others_take_their_place() -> None:
    opus = {"video": False, "codec": "opus", "pt": 111, "clock_rate": 48000}
    async with full() as pair:
        for agent in (pair.near, pair.far):
            batch = agent.engine.batch()
            batch.agree(agent, {4: MID}, two_byte=False, reduced_rtcp=True)
            await batch.commit()
        # More than the 64 SSRCs that one key can have at a time.
        for i in range(80):
            batch = pair.far.engine.batch()
            receiver = batch.receive(pair.far, RecvConfig(**opus, mid=f"m{i}"))
            await batch.commit()
            batch = pair.near.engine.batch()
            config = SendConfig(**opus, ssrc=1000 + i, mid=f"m{i}", extensions=frozenset([MID]))
            sender = batch.send(pair.near, config)
            await batch.commit()
            sender.send_frame(OPUS_FRAME, 0, True)
            await until(partial(packets, pair, receiver.id))
            for stream in (sender, receiver):
                batch = stream.transport.engine.batch()
                batch.end(stream)
                await batch.commit()
        assert pair.near.senders == [] and pair.far.receivers == []
        stats = await pair.far.engine.stats()
        assert stats.receivers == {}
        batch = pair.near.engine.batch()
        batch.end(sender)  # once more
        await batch.commit()
