"""What is sent when there is too little bitrate or time, by virtual time."""

from __future__ import annotations

import itertools

import pytest

from rtcengine.codecs.bounds import Bounds, blocks
from rtcengine.media.adapt import (
    BUSY_S,
    DOWN_S,
    IDLE_S,
    LEAST_AREA,
    LEAST_FPS,
    UP_S,
    WHOLE,
    Adapt,
    Limitation,
    Source,
    Step,
    ladder,
    needed_bps,
)
from rtcengine.media.limits import (
    BALANCED,
    MAINTAIN_BOTH,
    MAINTAIN_FRAMERATE,
    MAINTAIN_RESOLUTION,
    PREFERENCES,
    Limits,
)

SIZE, FPS = (1280, 720), 30.0
LEVEL_31 = Bounds(3600, 108_000)


class Sending:
    """A source and its encoder on a clock of their own. `cost`: seconds that a pixel takes to encode."""

    def __init__(self, preference: str = BALANCED, bps: float | None = None, bounds: Bounds | None = None) -> None:
        self.adapt, self.now = Adapt(), 1000.0
        self.preference, self.bps, self.bounds = preference, bps, bounds
        self.size, self.fps, self.cost = SIZE, FPS, 1e-9
        self.steps: list[tuple[float, Step]] = []

    def run(self, seconds: float) -> Step:
        """All frames of so long; the changes are in `steps`, with when."""
        end = self.now + seconds
        while self.now < end:
            adapt, now = self.adapt, self.now
            adapt.on_target(self.bps, now)
            adapt.prefer(self.preference, self.bounds, now)
            step = adapt.on_source(*self.size, self.fps, now)
            if not self.steps or self.steps[-1][1] != step:
                self.steps.append((round(now - 1000, 2), step))
            width, height = self.size
            adapt.on_encode_time(self.cost * width * height / step.scale**2, now)
            self.now += 1 / min(self.fps, step.fps or self.fps)
        return self.adapt.step


def worth(size: tuple[int, int], fps: float, step: Step) -> float:
    """The bitrate that a step needs."""
    return needed_bps(size[0] * size[1] / step.scale**2, min(fps, step.fps or fps))


@pytest.mark.parametrize("preference", PREFERENCES)
@pytest.mark.parametrize("source", [Source(1280, 720, 30), Source(640, 480, 60), Source(320, 240, 15), Source(176, 144, 5)])
def test_each_step_needs_less(preference: str, source: Source) -> None:
    steps = ladder(preference, source)
    assert steps[0] == WHOLE
    needs = [worth(source[:2], source.fps, step) for step in steps]
    assert all(b < 0.95 * a for a, b in itertools.pairwise(needs))
    assert all(step.fps is None or step.fps >= LEAST_FPS for step in steps)
    assert all(source.width * source.height / step.scale**2 >= LEAST_AREA for step in steps)
    if preference == MAINTAIN_FRAMERATE:
        assert all(step.fps is None for step in steps)
        scales = [1, 4 / 3, 2, 8 / 3, 4, 16 / 3, 8, 32 / 3][: len(steps)]
        assert [step.scale for step in steps] == pytest.approx(scales)
    elif preference == MAINTAIN_RESOLUTION:
        assert all(step.scale == 1 for step in steps)
        assert [step.fps for step in steps[1:3]] == [0.75 * source.fps, 0.5 * source.fps][: len(steps) - 1]
    elif preference == MAINTAIN_BOTH:
        assert len(steps) == 1


def test_what_is_needed() -> None:
    assert needed_bps(640 * 360, 30) == 200_000
    assert 550_000 < needed_bps(1280 * 720, 30) < 650_000
    assert needed_bps(640 * 360, 15) > 100_000  # pictures that are further apart differ more


@pytest.mark.parametrize(
    ("preference", "step"),
    [
        (MAINTAIN_FRAMERATE, Step(2.0, None)),
        (MAINTAIN_RESOLUTION, Step(1.0, 7.5)),
        (BALANCED, Step(2.0, 22.5)),
        (MAINTAIN_BOTH, WHOLE),
    ],
)
def test_begins_with_what_the_bitrate_suffices_for(preference: str, step: Step) -> None:
    run = Sending(preference, 270_000)
    assert run.run(1) == step
    assert run.steps == [(0.0, step)]
    assert run.adapt.limitation.reason == ("none" if preference == MAINTAIN_BOTH else "bandwidth")


@pytest.mark.parametrize("preference", [MAINTAIN_FRAMERATE, MAINTAIN_RESOLUTION, BALANCED])
def test_bitrate_falls_and_recovers(preference: str) -> None:
    run = Sending(preference, 2_000_000)
    assert run.run(10) == WHOLE
    run.bps = 300_000
    low = run.run(10)
    assert low != WHOLE and worth(SIZE, FPS, low) <= 300_000
    run.bps = 2_000_000
    assert run.run(10) == WHOLE
    times = [at for at, _ in run.steps]
    assert times == pytest.approx([0, 10 + DOWN_S, 20 + UP_S], abs=0.3)
    run.bps = None
    assert run.run(10) == WHOLE and len(run.steps) == 3


def test_a_short_dip_changes_nothing() -> None:
    run = Sending(MAINTAIN_FRAMERATE, 2_000_000)
    run.run(1)
    for _ in range(10):
        run.bps = 300_000
        run.run(0.9 * DOWN_S)
        run.bps = 2_000_000
        run.run(0.2)
    assert [step for _, step in run.steps] == [WHOLE]


def test_no_way_up_without_room() -> None:
    """A bitrate that just suffices for the next step does not lead there, and one that swings does not either."""
    run = Sending(MAINTAIN_FRAMERATE, 300_000)
    low = run.run(5)
    need = worth(SIZE, FPS, Step(4 / 3, None))
    run.bps = 1.1 * need
    assert run.run(30) == low
    for _ in range(10):
        run.bps = 2 * need
        run.run(0.9 * UP_S)
        run.bps = 1.1 * need
        run.run(0.2)
    assert run.adapt.step == low
    run.bps = 1.3 * need
    assert run.run(1.2 * UP_S) == Step(4 / 3, None)


def test_a_bitrate_that_suffices_for_nothing() -> None:
    for preference in PREFERENCES:
        run = Sending(preference, 1.0)
        assert run.run(2) == ladder(preference, Source(*SIZE, FPS))[-1]


@pytest.mark.parametrize("preference", [MAINTAIN_FRAMERATE, MAINTAIN_RESOLUTION, BALANCED])
def test_encoding_that_is_too_slow(preference: str) -> None:
    """A step at a time, until it takes less than the time between two pictures; not back while it would not."""
    run = Sending(preference)
    run.cost = 0.070 / (SIZE[0] * SIZE[1])
    run.run(120)
    step = run.adapt.step
    assert run.adapt.limitation.reason == "cpu"
    assert 0.070 / step.scale**2 * (step.fps or FPS) < 0.9
    assert all(b - a >= BUSY_S for a, b in itertools.pairwise(at for at, _ in run.steps))
    order = ladder(preference, Source(*SIZE, FPS))
    assert [step for _, step in run.steps] == order[: len(run.steps)]
    run.cost = 0.004 / (SIZE[0] * SIZE[1])
    run.run(IDLE_S * len(run.steps) + 1)
    assert run.adapt.step == WHOLE and run.adapt.limitation.reason == "none"


def test_a_step_up_that_fails_waits_longer() -> None:
    """The machine has time only as long as it is not used."""
    run = Sending(MAINTAIN_FRAMERATE)
    for _ in range(600):
        run.cost = (0.040 if run.adapt.step == WHOLE else 0.010) / (SIZE[0] * SIZE[1])
        run.run(1)
    ups = [at for at, step in run.steps[1:] if step == WHOLE]
    waits = [b - a for a, b in itertools.pairwise(ups)]
    assert 3 <= len(ups) <= 7 and all(b > 1.5 * a for a, b in itertools.pairwise(waits[:3]))


def test_one_picture_that_took_long() -> None:
    run = Sending()
    run.run(5)
    run.adapt.on_encode_time(600.0, run.now + 600)
    run.now += 600
    assert run.run(10) == WHOLE


def test_a_rate_that_falls_is_not_the_sources() -> None:
    """An encoder of 50 ms a picture reads 15 of 30 a second."""
    run = Sending(MAINTAIN_FRAMERATE)
    run.run(5)
    run.fps, run.cost = 15.0, 0.050 / (SIZE[0] * SIZE[1])
    run.run(BUSY_S + 0.9)
    assert run.adapt.step.scale > 1


def test_a_slower_source_is_believed_after_a_while() -> None:
    run = Sending(MAINTAIN_RESOLUTION, 450_000)
    assert run.run(5) == Step(1.0, 15.0)
    run.fps = 10.0
    run.run(2 * UP_S + 1)
    assert run.adapt.step == WHOLE
    run.fps = 30.0
    assert run.run(DOWN_S + 1) == Step(1.0, 15.0)


def test_a_new_source_begins_anew() -> None:
    run = Sending(MAINTAIN_FRAMERATE, 300_000)
    run.cost = 1e-7
    run.run(60)
    low = run.adapt.step
    run.size, run.cost = (640, 360), 1e-9
    assert run.run(0.1) == WHOLE != low
    run.size = 1280, 720
    assert run.run(0.1) == Step(2.0, None)
    run.size = 720, 1280  # turned
    assert run.run(0.1) == Step(2.0, None)


def test_the_lower_of_both() -> None:
    run = Sending(MAINTAIN_FRAMERATE, 450_000)
    assert run.run(1) == Step(4 / 3, None)
    run.cost = 0.070 / (SIZE[0] * SIZE[1])
    run.run(30)
    assert run.adapt.step == Step(2.0, None) and run.adapt.limitation.reason == "cpu"
    run.bps = 100_000
    run.run(2)
    assert run.adapt.step.scale > 2 and run.adapt.limitation.reason == "bandwidth"


@pytest.mark.parametrize("preference", PREFERENCES)
@pytest.mark.parametrize("fps", [30.0, 31.0, 60.0])
@pytest.mark.parametrize("size", [(1920, 1080), (1280, 720), (1080, 1920), (4000, 100)])
def test_within_the_receivers_bounds(preference: str, size: tuple[int, int], fps: float) -> None:
    """From the first picture on."""
    run = Sending(preference, None, LEVEL_31)
    run.size, run.fps = size, fps
    step = run.run(3)
    assert all(at == 0 for at, _ in run.steps)
    width, height = (max(2, int(side / step.scale) & ~1) for side in size)
    assert blocks(width, height) <= 3600 and blocks(width, height) * min(fps, step.fps or fps) <= 108_000
    assert max(width, height) <= 16 * (8 * 3600) ** 0.5
    assert (run.adapt.limitation.reason == "other") == (size != SIZE or fps > 31)


def test_what_fits_is_not_touched() -> None:
    run = Sending(BALANCED, None, LEVEL_31)
    assert run.run(5) == WHOLE and run.adapt.limitation.reason == "none"
    run.size = 1920, 1080
    assert run.run(1) == Step(1.5, None)  # 1280 x 720
    run.bounds = None
    assert run.run(1) == WHOLE
    run.bounds = Bounds(fps=15)
    assert run.run(1).fps == 15
    run.bounds, run.preference = Bounds(12_288, None, 60), MAINTAIN_FRAMERATE  # as Firefox has it of VP8
    assert run.run(1) == WHOLE


def test_bounds() -> None:
    assert (blocks(1920, 1080), blocks(16, 17), blocks(1, 1)) == (8160, 2, 1)
    assert Bounds().least_scale(10_000, 10_000) == 1 and Bounds().fps_of(100, 100) == float("inf")
    for width, height in ((1920, 1080), (1366, 768), (100, 4000), (3840, 2160), (17, 17)):
        for most in (1, 99, 396, 1620, 3600):
            scale = Bounds(most).least_scale(width, height)
            assert Bounds(most).holds(*(max(2, int(side / scale) & ~1) for side in (width, height)))
            assert scale == 1 or not Bounds(most).holds(width, height)
    with pytest.raises(ValueError, match="'fast', none of maintain-framerate"):
        Limits(preference="fast")


def test_limitation() -> None:
    found = Limitation()
    assert found.reason == "none" and found.seconds(5.0) == {"none": 0, "cpu": 0, "bandwidth": 0, "other": 0}
    for at, reason, scale in ((10, "none", 1), (12, "none", 1), (15, "bandwidth", 2), (20, "cpu", 2), (21, "none", 1)):
        found.become(reason, scale, float(at))
    assert found.seconds(31.0) == {"none": 15, "cpu": 1, "bandwidth": 5, "other": 0} and found.changes == 2
