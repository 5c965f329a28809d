"""How large and how often pictures are sent when there is too little bitrate or time for them: W3C's degradationPreference
(mst-content-hint §4.2) as a rule over time. It knows no encoder and no clock: `now` is passed in, in seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from ..codecs.bounds import Bounds
from ..codecs.encode import scaled
from .limits import BALANCED, MAINTAIN_BOTH, MAINTAIN_FRAMERATE, MAINTAIN_RESOLUTION

DOWN_S = 1.0
"""How long the bitrate has to be too low before less is sent: a congestion controller dips now and then."""
UP_S = 3.0
ROOM = 1.25
"""How long, and how much more than needed, it has to be for more to be sent."""

BUSY, IDLE = 0.9, 0.6
"""The part of the time between two pictures that encoding one may take, and that of the next step up, were it taken."""
BUSY_S, IDLE_S = 2.0, 10.0
LONGEST_S = 160.0
"""How long it has to be so. A step up that had to be taken back doubles the second, up to `LONGEST_S`."""
MEAN_S = 0.5
"""Encoding times are looked at over about so long."""

LEAST_AREA, LEAST_FPS = 160 * 90, 2.0
MORE_FPS, LESS_FPS = 1.1, 1 / 1.2
"""What is another frame rate, and no jitter."""
NEW_S = 1.0
"""How long a new source's frame rate is believed as it is measured."""

PREFERENCE_OF = {"motion": MAINTAIN_FRAMERATE, "detail": MAINTAIN_RESOLUTION, "text": MAINTAIN_RESOLUTION}
"""By a track's contentHint, where the program has said nothing."""

# What 640 x 360 at 30 a second needs to be worth looking at. Of larger pictures each pixel needs less, and of fewer pictures
# each one more, since more has changed.
NEEDED_BPS, AREA, FPS = 200_000, 640 * 360, 30.0
BY_AREA, BY_FPS = 0.79, 0.6

USUAL_FPS = 30.0
# For "balanced", from the better to the worse: both sides divided by the first, the frame rate multiplied by the second.
BOTH_BY_TURNS = (
    (4 / 3, 1.0),
    (4 / 3, 3 / 4),
    (2.0, 3 / 4),
    (2.0, 1 / 2),
    (8 / 3, 1 / 2),
    (4.0, 1 / 2),
    (4.0, 1 / 3),
    (16 / 3, 1 / 3),
    (8.0, 1 / 4),
)

NONE, CPU, BANDWIDTH, OTHER = "none", "cpu", "bandwidth", "other"


class Step(NamedTuple):
    """Both sides are divided by `scale`; no more than `fps` pictures a second, None: as they come."""

    scale: float
    fps: float | None


WHOLE = Step(1.0, None)


class Source(NamedTuple):
    """What would be sent if there were enough of everything."""

    width: int
    height: int
    fps: float


class Limitation:
    """Why less is sent than could be, and since when: the W3C's qualityLimitation* statistics."""

    def __init__(self) -> None:
        self.reason = NONE
        self.changes = 0
        self._scale: float | None = None
        self._since: float | None = None
        self._spent = dict.fromkeys((NONE, CPU, BANDWIDTH, OTHER), 0.0)

    def become(self, reason: str, scale: float, now: float) -> None:
        """What holds from `now` on."""
        if reason != self.reason or self._since is None:
            self._spent = self.seconds(now)
            self.reason, self._since = reason, now
        self.changes += self._scale is not None and scale != self._scale
        self._scale = scale

    def seconds(self, now: float) -> dict[str, float]:
        """How long it was which reason."""
        spent = dict(self._spent)
        if self._since is not None:
            spent[self.reason] += max(0.0, now - self._since)
        return spent


def needed_bps(area: float, fps: float) -> float:
    """The least bitrate at which pictures of so many pixels are worth sending so often."""
    return float(NEEDED_BPS * (area / AREA) ** BY_AREA * (fps / FPS) ** BY_FPS)


@dataclass(slots=True)
class _Since:
    """Since when something is so."""

    at: float | None = None

    def lasts(self, holds: bool, now: float, seconds: float) -> bool:
        if not holds:
            self.at = None
            return False
        if self.at is None:
            self.at = now
        return now - self.at >= seconds


class Adapt:
    """One encoding. `on_target` says what bitrate there is, `prefer` what is wanted, `on_source` what comes: then, and whenever
    it is another. `on_encode_time`: how long a picture took. Each gives what is to be sent from then on.

    All that can be done is a row of steps from the best down, by preference. The bitrate chooses the first that it suffices
    for, and so do, without waiting, the receiver's bounds; encoding that takes too long goes one step after the other. The
    lowest of the three holds.
    """

    def __init__(self, limitation: Limitation | None = None) -> None:
        self.limitation = limitation if limitation is not None else Limitation()
        self._preference = BALANCED
        self._bounds: Bounds | None = None
        self._source: Source | None = None
        self._came = 0.0
        self._slower = _Since()
        self._bps: float | None = None
        self._steps: tuple[Step, ...] = (WHOLE,)
        self._needs: tuple[float, ...] = ()  # the bitrate of each
        self._fresh = True  # nothing was chosen for these steps yet
        self._by_bounds = self._by_bitrate = self._by_time = 0
        self._down, self._up = _Since(), _Since()
        self._busy, self._idle = _Since(), _Since()
        self._mean: float | None = None
        self._encoded = 0.0
        self._raised: float | None = None
        self._idle_s = IDLE_S

    @property
    def step(self) -> Step:
        """What is sent now."""
        return self._steps[self._at]

    @property
    def _at(self) -> int:
        return max(self._by_bounds, self._by_bitrate, self._by_time)

    def prefer(self, preference: str, bounds: Bounds | None, now: float) -> Step:
        """One of the W3C's preferences, and what the receiver can decode."""
        if (preference, bounds) != (self._preference, self._bounds):
            self._preference, self._bounds = preference, bounds
            self._lay_out(fresh=True)
        return self._settle(now)

    def on_source(self, width: int, height: int, fps: float, now: float) -> Step:
        """Frames come in this size, so many a second. A lower rate is believed when it lasts: an encoder that is too slow makes
        it look like one."""
        known = self._source
        if known is None or width * height != known.width * known.height:
            self._came, self._by_time, self._mean, self._idle_s = now, 0, None, IDLE_S
            self._source = Source(width, height, fps)
            self._lay_out(fresh=True)
        else:
            new = now - self._came < NEW_S
            slower = self._slower.lasts(fps < LESS_FPS * known.fps, now, 0.0 if new else UP_S)
            self._source = Source(width, height, fps if slower or fps > MORE_FPS * known.fps else known.fps)
            if self._source != known:
                self._lay_out(fresh=new)
        return self._settle(now)

    def on_target(self, bps: float | None, now: float) -> Step:
        """The bitrate there is; None: as much as one likes."""
        self._bps = bps
        return self._settle(now)

    def on_encode_time(self, seconds: float, now: float) -> Step:
        """How long a picture took to encode."""
        if self._source is None:
            return self.step
        seconds = min(seconds, 2 / self._fps_of(self._at))  # one that was held up says little
        if self._mean is None:
            self._mean = seconds
        else:
            self._mean += (1 - math.exp((self._encoded - now) / MEAN_S)) * (seconds - self._mean)
        self._encoded = now
        if self._busy.lasts(self._mean * self._fps_of(self._at) > BUSY, now, BUSY_S) and self._at < len(self._steps) - 1:
            taken_back = self._raised is not None and now - self._raised < 2 * self._idle_s
            self._idle_s = min(LONGEST_S, 2 * self._idle_s) if taken_back else IDLE_S
            self._go(self._at + 1, None)
        elif self._idle.lasts(self._by_time > 0 and self._part_at(self._by_time - 1) < IDLE, now, self._idle_s):
            self._go(self._by_time - 1, now)
        return self._settle(now)

    def _go(self, to: int, raised: float | None) -> None:
        self._by_time, self._raised, self._mean = to, raised, None
        self._busy.at = self._idle.at = None

    def _part_at(self, at: int) -> float:
        """Which part of the time encoding would take at another step."""
        assert self._mean is not None
        return self._mean * (self.step.scale / self._steps[at].scale) ** 2 * self._fps_of(at)

    def _fps_of(self, at: int) -> float:
        assert self._source is not None
        fps = self._steps[at].fps
        return self._source.fps if fps is None else min(fps, self._source.fps)

    def _lay_out(self, *, fresh: bool) -> None:
        """The steps there are for the source, by what is preferred."""
        source, bounds = self._source, self._bounds
        if source is None:
            return
        steps = ladder(self._preference, source, bounds.least_scale(source.width, source.height) if bounds is not None else 1.0)
        self._by_bounds = 0
        if bounds is not None:
            most = [bounds.fps_of(*_size(source, step)) for step in steps]
            if self._preference in (BALANCED, MAINTAIN_FRAMERATE):  # to what jitters: it is kept below in any case
                fits = (at for at, step in enumerate(steps) if (step.fps or source.fps) <= MORE_FPS * most[at])
                self._by_bounds = next(fits, len(steps) - 1)
            steps = [Step(s.scale, m) if (s.fps or source.fps) > m else s for s, m in zip(steps, most, strict=True)]
        self._steps = tuple(steps)
        area = source.width * source.height
        self._needs = tuple([needed_bps(area / s.scale**2, self._fps_of(at)) for at, s in enumerate(steps)])
        last = len(steps) - 1
        self._by_time, self._by_bitrate = min(self._by_time, last), min(self._by_bitrate, last)
        self._fresh = self._fresh or fresh

    def _settle(self, now: float) -> Step:
        source = self._source
        if source is None:
            return self.step
        self._follow_bitrate(now)
        at, step = self._at, self.step
        reason = NONE
        if at == self._by_bitrate > self._by_bounds:
            reason = BANDWIDTH
        elif at == self._by_time > self._by_bounds:
            reason = CPU
        elif step.scale > 1 or self._fps_of(at) < LESS_FPS * source.fps:
            reason = OTHER
        self.limitation.become(reason, step.scale, now)
        return step

    def _follow_bitrate(self, now: float) -> None:
        wanted = self._first(1.0)
        if self._fresh:
            self._by_bitrate, self._fresh = wanted, False
            self._down.at = self._up.at = None
        if self._down.lasts(wanted > self._by_bitrate, now, DOWN_S):
            self._by_bitrate = wanted
        better = self._first(ROOM)
        if self._up.lasts(better < self._by_bitrate, now, UP_S):
            self._by_bitrate = better

    def _first(self, room: float) -> int:
        """The best step that the bitrate suffices for, the last one where it does for none."""
        bps = self._bps
        if bps is None:
            return 0
        return next((at for at, need in enumerate(self._needs) if room * need <= bps), len(self._needs) - 1)


def ladder(preference: str, source: Source, first: float = 1.0) -> list[Step]:
    """What can be sent of a source, from the best to the worst, each with both sides divided by `first` at least."""
    area, fps = source.width * source.height / first**2, source.fps
    found = [Step(first, None)]
    if preference == MAINTAIN_FRAMERATE:
        found += [Step(first / part, None) for part in _PARTS if area * part**2 >= LEAST_AREA]
    elif preference == MAINTAIN_RESOLUTION:
        found += [Step(first, fps * part) for part in _PARTS if fps * part >= LEAST_FPS]
    elif preference != MAINTAIN_BOTH:
        whole = None
        if fps > MORE_FPS * USUAL_FPS:  # nobody misses those beyond as much as a part of the picture
            whole = fps = USUAL_FPS
            found.append(Step(first, fps))
        for by, part in BOTH_BY_TURNS:
            if area / by**2 >= LEAST_AREA and fps * part >= LEAST_FPS:
                found.append(Step(first * by, fps * part if part < 1 else whole))
    return found


# Three quarters and two thirds by turns.
_PARTS = tuple([(0.75 if i % 2 else 1.0) / 2 ** (i // 2) for i in range(1, 12)])


def _size(source: Source, step: Step) -> tuple[int, int]:
    return scaled(source.width, step.scale), scaled(source.height, step.scale)
