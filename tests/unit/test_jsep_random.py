"""Random sequences of legal and illegal calls between two sides keep the invariants of jsep_random."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .jsep_random import Duel, play

STEPS = 20


def told(duels: Iterator[Duel]) -> None:
    count = done = refused = settled = 0
    for duel in duels:
        count, done, refused, settled = count + 1, done + duel.done, refused + duel.refused, settled + duel.settled
    print(f"{count} sequences: {done} calls done, {refused} refused, {settled} brought to an agreement")
    # It would prove little if nearly all calls were refused, or nearly no sequence could be brought to its end.
    assert done > refused / 2 and settled > count / 4


@pytest.mark.slow
def test_some_sequences() -> None:
    told(play(range(400), STEPS))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_three_thousand_sequences() -> None:
    told(play(range(1_000, 4_000), STEPS))


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_hundred_thousand_sequences() -> None:
    told(play(range(100_000, 200_000), STEPS))
