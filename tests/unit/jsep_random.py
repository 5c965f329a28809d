"""Random calls, legal and not, between two sides, and what must hold after each: the sequences of test_jsep_random."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from rtcengine.peer.configuration import RTCBundlePolicy
from rtcengine.peer.effects import (
    AddRemoteCandidate,
    CloseData,
    CloseTransport,
    ConnectTransport,
    Effect,
    OpenData,
    OpenTransport,
    Plan,
    Receive,
    RestartIce,
    Send,
    StopReceiving,
    StopSending,
)
from rtcengine.peer.errors import (
    InvalidAccessError,
    InvalidModificationError,
    InvalidStateError,
    OperationError,
)
from rtcengine.sdp import parse_candidate
from rtcengine.sdp.codecs import same_codec
from rtcengine.sdp.description import Codec
from rtcengine.types import Direction

from .jsep_kit import FakeTrack, frozen, side

ERRORS = (InvalidAccessError, InvalidModificationError, InvalidStateError, OperationError, TypeError)
NEXT = {
    "stable": {"stable", "have-local-offer", "have-remote-offer"},
    "have-local-offer": {"have-local-offer", "stable", "have-remote-pranswer", "have-remote-offer"},
    "have-remote-offer": {"have-remote-offer", "stable", "have-local-pranswer"},
    "have-local-pranswer": {"have-local-pranswer", "stable"},
    "have-remote-pranswer": {"have-remote-pranswer", "stable"},
}
CANDIDATE = parse_candidate("candidate:1 1 udp 2122260223 192.0.2.1 50000 typ host")


class Mirror:
    """Carries out effects as a driver would, and complains where one makes no sense."""

    def __init__(self) -> None:
        self.transports: set[int] = set()
        self.connected: set[int] = set()
        self.receivers: set[str] = set()
        self.senders: set[str] = set()
        self.data: str | None = None

    def apply(self, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            match effect:
                case OpenTransport(transport):
                    assert transport.id not in self.transports
                    self.transports.add(transport.id)
                case RestartIce(id) | AddRemoteCandidate(id):
                    assert id in self.transports
                case ConnectTransport(id):
                    assert id in self.transports
                    self.connected.add(id)
                case CloseTransport(id):
                    self.transports.remove(id)
                    self.connected.discard(id)
                case Receive(media):
                    assert media.transport in self.transports and media.codecs
                    self.receivers.add(media.mid)
                case Send(media):
                    assert media.transport in self.connected and media.codecs
                    self.senders.add(media.mid)
                case StopReceiving(mid):
                    self.receivers.remove(mid)
                case StopSending(mid):
                    self.senders.remove(mid)
                case OpenData(data):
                    assert data.transport in self.transports
                    self.data = data.mid
                case CloseData(mid):
                    assert self.data == mid
                    self.data = None

    def agrees(self, plan: Plan) -> bool:
        data = plan.data.mid if plan.data is not None else None
        return (self.transports, self.receivers, self.senders, self.data) == (
            set(plan.transports),
            set(plan.receivers),
            set(plan.senders),
            data,
        )


class Duel:
    """Two sides, and the messages between them, which may be late, repeated or out of place."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        policies = list(RTCBundlePolicy)
        self.sides = [side(seed * 2 + i, bundle_policy=self.rng.choice(policies)) for i in (0, 1)]
        self.mirrors = [Mirror(), Mirror()]
        self.inbox: list[list[tuple[str, str]]] = [[], []]
        self.refused = 0
        self.done = 0
        self.settled = 0
        self.spoiled = False

    def step(self) -> None:
        who = self.rng.randrange(2)
        jsep = self.sides[who]
        before, state = frozen(jsep), jsep.signaling_state
        call = self.rng.choice(CALLS)
        try:
            call(self, who)
            self.done += 1
        except ERRORS:
            self.refused += 1
            assert frozen(jsep) == before, f"{call.__name__} failed and left traces"
        assert jsep.signaling_state in NEXT[state], f"{state} -> {jsep.signaling_state} by {call.__name__}"
        if not self.spoiled:
            self.check(who)

    def run_to_agreement(self) -> None:
        """Whatever is under way is taken back, then each side offers once: nothing may stand in the way."""
        for who, jsep in enumerate(self.sides):
            self.inbox[who].clear()
            if jsep.signaling_state in ("have-local-offer", "have-remote-offer"):
                self.mirrors[who].apply(jsep.set_local("rollback").effects)
        if {jsep.signaling_state for jsep in self.sides} != {"stable"} or not self.same_round():
            return  # one is left with a provisional answer, or only one side knows the last answer
        for who in (0, 1):
            a, b = self.sides[who], self.sides[1 - who]
            mine, theirs = self.mirrors[who], self.mirrors[1 - who]
            text = a.create_offer()
            mine.apply(a.set_local("offer", text).effects)
            theirs.apply(b.set_remote("offer", text).effects)
            text = b.create_answer()
            theirs.apply(b.set_local("answer", text).effects)
            mine.apply(a.set_remote("answer", text).effects)
            self.check(who)
            self.check(1 - who)
            self.agree()
            assert not a.negotiation_needed
        self.settled += 1

    def same_round(self) -> bool:
        a, b = (jsep.state for jsep in self.sides)
        mine, theirs = (a.current_local, a.current_remote), (b.current_remote, b.current_local)
        return all((x is None) == (y is None) and (x is None or y is None or x.sdp.origin == y.sdp.origin)
                   for x, y in zip(mine, theirs, strict=True))  # fmt: skip

    def agree(self) -> None:
        """Both sides' current descriptions say one thing."""
        a, b = self.sides
        local, remote = a.state.current_local, b.state.current_remote
        assert local is not None and remote is not None
        assert local.mids == remote.mids
        for mid in local.mids:
            mine, theirs = a.state.by_mid(mid), b.state.by_mid(mid)
            assert (mine is None) == (theirs is None), mid
            if mine is None or theirs is None:
                continue
            assert mine.kind == theirs.kind and mine.current is not None and theirs.current is not None
            assert mine.current is theirs.current.reversed, (mid, mine.current, theirs.current)
            for sender, receiver in ((a.plan.senders.get(mid), b.plan.receivers.get(mid)),
                                     (b.plan.senders.get(mid), a.plan.receivers.get(mid))):  # fmt: skip
                assert (sender is None) == (receiver is None), mid
                if sender is not None and receiver is not None:
                    assert [(c.payload_type, c.name, c.rtx_payload_type) for c in sender.codecs] == [
                        (c.payload_type, c.name, c.rtx_payload_type) for c in receiver.codecs
                    ]
                    assert dict(sender.extensions) == dict(receiver.extensions)
        assert len(a.plan.transports) == len(b.plan.transports)
        assert (a.plan.data is None) == (b.plan.data is None)
        # Who controls ICE is not compared: an answer that never came leaves both with a role, which ICE sorts out.
        for one in a.plan.transports.values():
            assert one.remote is not None
            assert any(
                other.remote is not None
                and (other.ice_ufrag, other.ice_pwd) == (one.remote.ice_ufrag, one.remote.ice_pwd)
                and other.role is not one.role
                for other in b.plan.transports.values()
            )

    def check(self, who: int) -> None:
        jsep = self.sides[who]
        state = jsep.state
        assert self.mirrors[who].agrees(jsep.plan)
        mids = [t.mid for t in state.transceivers if t.mid is not None]
        assert len(set(mids)) == len(mids)
        assert (state.pending_local is None and state.pending_remote is None) == (state.signaling == "stable")
        assert set(state.transport_of.values()) == set(state.transports)
        for described in state.described():
            assert len(set(described.mids)) == len(described.mids)
            self.check_numbers(who, described.sdp.media)
        for described in (state.pending_local, state.current_local):
            if described is not None:
                told = {described.sdp.ice_of(section) for section in described.sdp.media if not section.is_rejected}
                assert len(told) <= 1, "sections of one bundle with credentials of their own"
        for transceiver in state.transceivers:
            if transceiver.mid is not None:
                known = [d for d in reversed(state.described()) if transceiver.mid in d.mids]
                assert known, f"mid {transceiver.mid} is in no description"
                section = known[0].section(transceiver.mid)
                assert section is not None and section.kind == transceiver.kind

    def check_numbers(self, who: int, media: list) -> None:  # type: ignore[type-arg]
        """A payload type means one codec in a description, in all sections of a kind."""
        seen: dict[int, tuple[str, Codec]] = {}
        for section in media:
            for codec in section.codecs if not section.is_rejected else ():
                kind, known = seen.setdefault(codec.payload_type, (section.kind, codec))
                assert kind == section.kind and same_codec(known, codec), codec


def _pick(duel: Duel, who: int):  # type: ignore[no-untyped-def]
    transceivers = duel.sides[who].transceivers
    if not transceivers:
        raise InvalidStateError("nothing there")
    return duel.rng.choice(transceivers)


def add_transceiver(duel: Duel, who: int) -> None:
    jsep = duel.sides[who]
    if len(jsep.transceivers) < 8:
        jsep.add_transceiver(duel.rng.choice(["audio", "video"]), direction=duel.rng.choice(list(Direction)))


def add_track(duel: Duel, who: int) -> None:
    kind = duel.rng.choice(["audio", "video"])
    if len(duel.sides[who].transceivers) < 8:
        duel.sides[who].add_track(FakeTrack(kind, f"t{duel.rng.random()}"), [f"s{duel.rng.randrange(3)}"])


def remove_track(duel: Duel, who: int) -> None:
    duel.sides[who].remove_track(_pick(duel, who))


def set_direction(duel: Duel, who: int) -> None:
    duel.sides[who].set_direction(_pick(duel, who), duel.rng.choice(list(Direction)))


def prefer(duel: Duel, who: int) -> None:
    transceiver = _pick(duel, who)
    codecs = duel.sides[who].config.capabilities.of(transceiver.kind).codecs
    # One codec in common always stays, the first; else sections would be rejected more often than not.
    rest = duel.rng.sample(codecs[1:], duel.rng.randrange(len(codecs)))
    duel.sides[who].set_codec_preferences(transceiver, duel.rng.sample([codecs[0], *rest], len(rest) + 1))


def stop(duel: Duel, who: int) -> None:
    duel.mirrors[who].apply(duel.sides[who].stop(_pick(duel, who)))


def want_data(duel: Duel, who: int) -> None:
    duel.sides[who].want_data()


def restart_ice(duel: Duel, who: int) -> None:
    duel.sides[who].restart_ice()


def create_offer(duel: Duel, who: int) -> None:
    duel.sides[who].create_offer(ice_restart=duel.rng.random() < 0.1)


def create_answer(duel: Duel, who: int) -> None:
    duel.sides[who].create_answer()


def set_local(duel: Duel, who: int) -> None:
    jsep = duel.sides[who]
    state = jsep.signaling_state
    out = jsep.set_local()
    duel.mirrors[who].apply(out.effects)
    local = jsep.state.local
    assert local is not None
    type = "offer" if state in ("stable", "have-local-offer") else "answer"
    duel.inbox[1 - who].append((type, jsep.local_text(local) or ""))


def set_local_pranswer(duel: Duel, who: int) -> None:
    jsep = duel.sides[who]
    text = jsep.create_answer()
    duel.mirrors[who].apply(jsep.set_local("pranswer", text).effects)
    duel.inbox[1 - who].append(("pranswer", text))


def set_last_offer(duel: Duel, who: int) -> None:
    """An offer made earlier, maybe before much else happened."""
    last = duel.sides[who].state.last_offer
    duel.mirrors[who].apply(duel.sides[who].set_local("offer", last.text if last else "v=0\r\n").effects)
    duel.inbox[1 - who].append(("offer", last.text if last else ""))


def set_remote(duel: Duel, who: int) -> None:
    if not duel.inbox[who]:
        raise InvalidStateError("nothing came")
    type, text = duel.inbox[who].pop(0)
    duel.mirrors[who].apply(duel.sides[who].set_remote(type, text).effects)


def set_remote_twice(duel: Duel, who: int) -> None:
    if not duel.inbox[who]:
        raise InvalidStateError("nothing came")
    type, text = duel.inbox[who][0]
    duel.mirrors[who].apply(duel.sides[who].set_remote(type, text).effects)


def set_broken(duel: Duel, who: int) -> None:
    """A line is lost. A side that takes it for an answer goes on from other premises than its peer: no agreement then."""
    if not duel.inbox[who]:
        raise InvalidStateError("nothing came")
    type, text = duel.inbox[who][0]
    lines = text.split("\r\n")
    del lines[duel.rng.randrange(1, len(lines))]
    jsep = duel.sides[who]
    duel.mirrors[who].apply(jsep.set_remote(type, "\r\n".join(lines)).effects)
    if jsep.signaling_state == "have-remote-offer":
        duel.mirrors[who].apply(jsep.set_remote("rollback", "").effects)
    else:
        duel.spoiled = True


def rollback(duel: Duel, who: int) -> None:
    jsep = duel.sides[who]
    out = duel.rng.choice([lambda: jsep.set_local("rollback"), lambda: jsep.set_remote("rollback", "")])()
    duel.mirrors[who].apply(out.effects)


def add_candidate(duel: Duel, who: int) -> None:
    index = duel.rng.randrange(4)
    duel.mirrors[who].apply(duel.sides[who].add_remote_candidate(CANDIDATE, index=index))


def gather(duel: Duel, who: int) -> None:
    for id, transport in duel.sides[who].plan.transports.items():
        duel.sides[who].on_local_candidate(id, CANDIDATE, transport.ice_ufrag)


CALLS: list[Callable[[Duel, int], None]] = [
    *(add_transceiver, add_track, remove_track, set_direction, prefer, stop, want_data, restart_ice),
    *(create_offer, create_answer, set_local_pranswer, set_last_offer, set_remote_twice, set_broken, rollback),
    *(add_candidate, gather),
    *[set_local] * 5,
    *[set_remote] * 8,
]


def play(seeds: range, steps: int) -> Iterator[Duel]:
    for seed in seeds:
        duel = Duel(seed)
        for number in range(steps):
            try:
                duel.step()
            except AssertionError as e:
                e.add_note(f"seed {seed}, step {number}")
                raise
            if duel.spoiled:
                break
        try:
            if not duel.spoiled:
                duel.run_to_agreement()
        except AssertionError as e:
            e.add_note(f"seed {seed}, at the end")
            raise
        yield duel
