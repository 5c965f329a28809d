"""Certificates of a transport's own, what the peer showed, and peers that Python has to accept, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from rtcengine import Certificate, Engine, EngineClosed, EngineError, Receiver, Sender, Transport
from rtcengine.engine.engine import _contexts
from tests.unit.engine_pair import HERE, KEY_FRAME, VIDEO, Names, receive, send
from tests.util import until

NEAR, FAR = Certificate.generate(), Certificate.generate()
ECDSA, RSA = Certificate.generate(), Certificate.generate("RSA")


@dataclass
class Side:
    engine: Engine
    transport: Transport
    sender: Sender
    receiver: Receiver
    states: list[str]


@contextlib.asynccontextmanager
async def pair(
    *, near: dict[str, Any] | None = None, far: dict[str, Any] | None = None, far_is_dtls_client: bool = True
) -> AsyncIterator[tuple[Side, Side]]:
    """Two sides that begin to connect; each sends a stream to the other."""
    given = (near or {}, far or {})
    shown = [side.get("certificate", default) for side, default in zip(given, (NEAR, FAR), strict=True)]
    async with Engine(NEAR, udp=HERE) as server, Engine(FAR, udp=HERE) as client:
        names = Names.new()
        sides = []
        for number, (engine, mine) in enumerate(((server, names), (client, names.other()))):
            config = mine.config(shown[1 - number].digest(), client=number == 1, **given[number])
            config = replace(config, dtls_client=(number == 1) == far_is_dtls_client)
            states: list[str] = []
            batch = engine.batch()
            transport = batch.transport(config, lambda event, states=states: states.append(event.state))
            sender, receiver = send(batch, transport, VIDEO, 1000 + number), receive(batch, transport, VIDEO)
            if number == 1:
                batch.path(transport, ("127.0.0.1", server.port))
            await batch.commit()
            assert number == 1 or transport.remote_certificates == []  # nobody has called yet
            sides.append(Side(engine, transport, sender, receiver, states))
        yield sides[0], sides[1]


async def all_were_early(side: Side, other: Side, frames: int) -> bool:
    """Whether all that the other side has sent by now was dropped here for coming too early; a frame is two packets."""
    sent, drops = (await other.engine.stats()).hub, (await side.engine.stats()).hub["drops"]
    early = drops["held"] + drops["no_keys"]
    return sent["rtp_out"] == 2 * frames and drops["held"] >= 2 * frames and early == sent["rtp_out"] + sent["rtcp_out"]


async def came(side: Side) -> bool:
    return await got(side) >= 2


async def got(side: Side) -> int:
    return (await side.engine.stats()).receivers[side.receiver.id].packets


@pytest.mark.parametrize("far_is_dtls_client", [True, False])
@pytest.mark.parametrize("near", [ECDSA, RSA], ids=["ECDSA", "RSA"])
@pytest.mark.parametrize("far", [ECDSA, RSA], ids=["to ECDSA", "to RSA"])
async def test_own_certificates_and_the_peers(near: Certificate, far: Certificate, far_is_dtls_client: bool) -> None:
    sides = pair(near={"certificate": near}, far={"certificate": far}, far_is_dtls_client=far_is_dtls_client)
    async with sides as (one, other):
        await asyncio.gather(one.transport.wait("connected"), other.transport.wait("connected"))
        for side, shown in ((one, far), (other, near)):
            [der] = side.transport.remote_certificates
            assert hashlib.sha256(der).digest() == shown.digest()


async def test_the_wrong_one_of_two_certificates_is_refused() -> None:
    async with pair(far={"certificate": ECDSA}) as (one, other), Engine(FAR, udp=HERE) as third:
        await one.transport.wait("connected")
        names = Names.new()
        batch = one.engine.batch()
        near = batch.transport(names.config(ECDSA.digest(), client=False, certificate=RSA))
        await batch.commit()
        batch = third.batch()
        far = batch.transport(names.other().config(RSA.digest(), client=True))  # shows the engine's own
        batch.path(far, ("127.0.0.1", one.engine.port))
        await batch.commit()
        with pytest.raises(EngineError, match="fingerprint mismatch"):
            await near.wait("connected")
        assert near.remote_certificates == []
        assert one.transport.state == other.transport.state == "connected"


async def test_transports_share_what_is_made_of_a_certificate() -> None:
    gc.collect()
    before = len(_contexts)
    async with Engine(NEAR, udp=HERE) as engine:
        batch = engine.batch()
        copies = [Certificate(ECDSA.cert_pem, ECDSA.key_pem) for _ in range(300)]
        many = [batch.transport(Names.new().config(FAR.digest(), client=False, certificate=c)) for c in copies]
        own = batch.transport(Names.new().config(FAR.digest(), client=False, certificate=NEAR))
        await batch.commit()
        assert len({id(t._context) for t in many}) == 1 and own._context is None
        assert len(_contexts) == before + 1
        batch = engine.batch()
        for transport in many:
            batch.close(transport)
        await batch.commit()
        await until(lambda: all(t.state == "closed" for t in many))
        del batch
        gc.collect()
        assert len(_contexts) == before


async def test_a_certificate_that_cannot_be_used() -> None:
    async with Engine(NEAR, udp=HERE) as engine:
        mixed = Certificate(ECDSA.cert_pem, RSA.key_pem)
        with pytest.raises(ValueError, match="certificate and key"):
            engine.batch().transport(Names.new().config(FAR.digest(), client=False, certificate=mixed))
        config = Names.new().config(FAR.digest(), client=False, verify_timeout=0)
        with pytest.raises(ValueError, match="verify_timeout"):
            engine.batch().transport(config)


async def test_certificates_that_nobody_wants_are_not_kept() -> None:
    async with pair(near={"remote_certificates": False}) as (one, other):
        await asyncio.gather(one.transport.wait("connected"), other.transport.wait("connected"))
        assert one.transport.remote_certificates == []
        assert len(other.transport.remote_certificates) == 1


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("far_is_dtls_client", [True, False])
async def test_no_media_before_the_peer_is_accepted(side: int, far_is_dtls_client: bool) -> None:
    asked: list[Transport] = []
    given: list[dict[str, Any]] = [{}, {}]
    given[side] = {"verify": asked.append}
    async with pair(near=given[0], far=given[1], far_is_dtls_client=far_is_dtls_client) as sides:
        holds, other = sides[side], sides[1 - side]
        await asyncio.gather(holds.transport.wait("held"), other.transport.wait("connected"))
        assert holds.transport.state == "held" and asked == [holds.transport]
        [der] = holds.transport.remote_certificates
        assert hashlib.sha256(der).digest() == (FAR, NEAR)[side].digest()
        for n in range(5):
            other.sender.send_frame(KEY_FRAME, n * 3000, True)
            holds.sender.send_frame(KEY_FRAME, n * 3000, True)  # refused by the engine, as before a connection
        await until(lambda: all_were_early(holds, other, 5))
        assert await got(holds) == 0 and await got(other) == 0
        assert holds.transport.state == "held"

        batch = holds.engine.batch()
        batch.accept(holds.transport)
        await batch.commit()
        await holds.transport.wait("connected")
        assert await got(holds) == 0  # what was early stays lost
        other.sender.send_frame(KEY_FRAME, 90000, True)
        holds.sender.send_frame(KEY_FRAME, 90000, True)
        for one in (holds, other):
            await until(lambda one=one: came(one))
            assert await got(one) == 2
        assert holds.states.count("held") == 1 and asked == [holds.transport]
        batch = holds.engine.batch()
        batch.accept(holds.transport)
        await batch.commit()


async def yes(transport: Transport) -> bool:
    await asyncio.sleep(0)
    return True


async def no(transport: Transport) -> bool:
    return False


async def fails(transport: Transport) -> bool:
    raise LookupError("nobody of this name\0 \u20ac")


@pytest.mark.parametrize("verify", [lambda t: True, yes], ids=["at once", "later"])
async def test_accepted_by_its_answer(verify: Callable[[Transport], Any]) -> None:
    async with pair(near={"verify": verify}, far={"verify": verify}) as (one, other):
        await asyncio.gather(one.transport.wait("connected"), other.transport.wait("connected"))


@pytest.mark.parametrize(
    ("verify", "why"),
    [
        (lambda t: False, "the peer was refused"),
        (lambda t: 1, "the peer was refused"),  # not a clear yes
        (lambda t: 1 / 0, "the peer was refused: division by zero"),
        (no, "the peer was refused"),
        (fails, "the peer was refused: nobody of this name"),
    ],
    ids=["no", "not clear", "fails", "no, later", "fails later"],
)
async def test_refused(verify: Callable[[Transport], Any], why: str) -> None:
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
    async with pair(near={"verify": verify}) as (one, other):
        with pytest.raises(EngineClosed, match=why):
            await one.transport.wait("connected")
        with pytest.raises(EngineError, match="close_notify"):
            await other.transport.wait("closed")
            raise EngineError(other.transport.reason)
        assert "connected" not in one.states
        assert len(told) == (":" in why)


async def test_time_out_refuses() -> None:
    started = asyncio.Event()

    async def never(transport: Transport) -> bool:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return True

    ended = asyncio.Event()
    async with pair(near={"verify": never, "verify_timeout": 0.2}) as (one, other):
        with pytest.raises(EngineError, match="not accepted in time"):
            await one.transport.wait("connected")
        assert started.is_set() and one.transport.reason == "timeout"
        await ended.wait()  # and nobody goes on asking
        await other.transport.wait("closed")
        batch = one.engine.batch()
        batch.accept(one.transport)  # too late: nothing happens
        await batch.commit()
        assert one.transport.state == "closed"


async def test_accepted_before_there_is_anything_to_accept() -> None:
    async with Engine(NEAR, udp=HERE) as engine:
        batch = engine.batch()
        transport = batch.transport(Names.new().config(FAR.digest(), client=False, verify=no))
        await batch.commit()
        batch = engine.batch()
        batch.accept(transport)
        with pytest.raises(EngineError, match="accepting transport"):
            await batch.commit()


async def test_the_engine_closes_while_it_is_asked() -> None:
    cancelled = asyncio.Event()

    async def slow(transport: Transport) -> bool:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return True

    async with pair(near={"verify": slow}) as (one, _):
        await one.transport.wait("held")
        await one.engine.close()
        await asyncio.wait_for(cancelled.wait(), 5)


async def test_a_reason_of_ones_own() -> None:
    async with pair() as (one, other):
        await one.transport.wait("connected")
        batch = one.engine.batch()
        with pytest.raises(ValueError, match="reason is longer"):
            batch.close(one.transport, "x" * 96)
        batch.close(one.transport, "the call is over")
        await batch.commit()
        await one.transport.wait("closed")
        assert (one.transport.reason, one.transport.error) == ("command", "the call is over")
        await other.transport.wait("closed")
        assert (other.transport.reason, other.transport.error) == ("close_notify", "")
