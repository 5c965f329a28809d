"""Which of a publisher's layers is the best: by size, by bits where sizes are equal or not known, of those that flow."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from rtcengine.relay.layers import QUIET_S, Layers

RIDS = ("a", "b", "c")


class Publisher:
    """Counters of the layers a, b and c, which bring so many bytes a second in pictures of these sizes."""

    def __init__(self) -> None:
        receivers: Any = {rid: SimpleNamespace(id=n) for n, rid in enumerate(RIDS)}
        self.layers = Layers(receivers)
        self.now = 100.0
        self.rows = {n: {"last": 0, "bytes": 0, "width": 0, "height": 0} for n in range(len(RIDS))}

    def run(self, *rates: int, sizes: tuple[int, ...] = (0, 0, 0), seconds: float = 3.0) -> list[str]:
        """What was the best at each look."""
        best = []
        for _ in range(round(seconds / 0.25)):
            self.now += 0.25
            for row, rate, size in zip(self.rows.values(), rates, sizes, strict=True):
                if rate:
                    row |= {"last": self.now * 1e6, "bytes": row["bytes"] + rate // 4, "width": size, "height": size}
            before = self.layers.best
            assert self.layers.look(self.rows, self.now) == (self.layers.best != before)
            best.append(self.layers.best)
        return best


def test_the_largest_is_the_best() -> None:
    publisher = Publisher()
    assert publisher.run(0, 0, 0) == ["a"] * 12 and publisher.layers.flowing == []
    assert publisher.run(9000, 1000, 5000, sizes=(180, 720, 360)) == ["b"] * 12
    assert publisher.layers.flowing == ["a", "b", "c"]
    assert publisher.layers.choose().id == 1 and publisher.layers.choose("c").id == 2 and publisher.layers.choose("x").id == 1


def test_one_that_has_stopped_is_not() -> None:
    publisher = Publisher()
    publisher.run(1000, 9000, 5000, sizes=(180, 720, 360))
    best = publisher.run(1000, 0, 5000, sizes=(180, 720, 360))
    assert best == sorted(best) and set(best) == {"b", "c"}
    assert best.count("b") == QUIET_S / 0.25 and publisher.layers.flowing == ["a", "c"]
    assert publisher.run(1000, 9000, 5000, sizes=(180, 720, 360)) == ["b"] * 12
    assert publisher.run(0, 0, 0)[-1] == "b"  # silence of all is no reason to change


def test_without_sizes_the_one_of_most_bits() -> None:
    publisher = Publisher()
    assert publisher.run(1000, 5000, 2500)[-1] == "b"
    assert set(publisher.run(1000, 2400, 2600)) == {"b"}  # a little more is not better
    assert publisher.run(1000, 2400, 4800)[-1] == "c"
