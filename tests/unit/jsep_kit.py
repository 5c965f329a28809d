"""Negotiating sides for tests: seeded, so that a failure repeats."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from rtcengine.peer.jsep import Jsep
from rtcengine.peer.jsep_apply import Outcome
from rtcengine.peer.state import JsepConfig
from rtcengine.types import Fingerprint


@dataclass(eq=False)
class FakeTrack:
    """As much of a track as negotiation looks at."""

    kind: str
    id: str


def side(seed: int = 1, **config: Any) -> Jsep:
    rng = random.Random(seed)
    fingerprint = Fingerprint("sha-256", rng.randbytes(32))
    return Jsep(JsepConfig(random=rng.randbytes, fingerprints=(fingerprint,), **config))


def pair(**config: Any) -> tuple[Jsep, Jsep]:
    return side(1, **config), side(2, **config)


def offer(a: Jsep, b: Jsep) -> tuple[Outcome, Outcome]:
    text = a.create_offer()
    return a.set_local("offer", text), b.set_remote("offer", text)


def answer(a: Jsep, b: Jsep, type: str = "answer") -> tuple[Outcome, Outcome]:
    """b answers a: what b did, what a did."""
    text = b.create_answer()
    return b.set_local(type, text), a.set_remote(type, text)


def negotiate(a: Jsep, b: Jsep) -> None:
    offer(a, b)
    answer(a, b)


def frozen(jsep: Jsep) -> Any:
    """All that a call may have changed, for comparison."""
    state = dict(vars(jsep.state))
    state["transports"] = dict(state["transports"])
    return state, [dict(vars(t)) for t in jsep.transceivers]
