"""All settings a device can have, as far as constraints may tell them apart.

A device runs in one of its modes. Pictures may be taken as they are (resizeMode "none") or cropped, scaled down and thinned
out ("crop-and-scale"), sound is resampled: these settings are ranges. Each term of the fitness distance is, between the
numbers that constraints name and the ends of a range, linear or concave in each of width, height and rate, so the best settings
lie where such numbers meet: those points are listed, and no others.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from .constraints import Constraints
from .select import ASPECT_DIGITS, Settings

SMALLEST = 2
"""Pixels of a side: a picture of 4:2:0 has as many."""
SLOWEST = 1.0
ROUNDING = 0.02
NONE, CROP_AND_SCALE = "none", "crop-and-scale"


@dataclass(frozen=True, slots=True)
class Span:
    """All numbers from `low` to `high`."""

    low: float
    high: float


Values = Span | tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Mode:
    """One in which a camera or a screen runs by itself. `rates` are frames a second; `format` is how its driver calls what it
    gives, "" for its first."""

    width: int
    height: int
    rates: Values = (30.0,)
    format: str = ""

    @property
    def fastest(self) -> float:
        return self.rates.high if isinstance(self.rates, Span) else max(self.rates)

    def covers(self, width: float, height: float, rate: float) -> bool:
        """Whether such pictures can be made of its."""
        return width <= self.width and height <= self.height and rate <= self.fastest

    def gives(self, settings: Settings) -> bool:
        """Whether a track with these settings can be taken from it."""
        size, rate = (settings["width"], settings["height"]), settings["frameRate"]
        if settings["resizeMode"] == NONE:
            return size == (self.width, self.height) and _has(self.rates, rate)
        return self.covers(*size, rate)

    def at(self, *rates: float) -> list[Mode]:
        """The same at single rates: its own, or of a span those given."""
        if isinstance(self.rates, Span):
            low, high = self.rates.low, self.rates.high
            found = sorted({min(max(rate, low), high) for rate in rates})
        else:
            found = sorted(self.rates)
        return [Mode(self.width, self.height, (rate,), self.format) for rate in found]


@dataclass(frozen=True)
class VideoSpace:
    """Of a camera or screen. `fixed`: properties with values of their own, as facingMode. `defaults` are what it takes when
    nothing is asked."""

    modes: tuple[Mode, ...]
    fixed: dict[str, Values] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=lambda: {"width": 640, "height": 480, "frameRate": 30.0})

    def possible(self, constraints: Constraints) -> list[Settings]:
        """Settings among which the best are."""
        rates = _numbers(constraints, "frameRate", self.defaults)
        pictures = {(m.width, m.height, rate, NONE) for m in self.modes for rate in _points(m.rates, rates)}
        pictures |= {(*picture, CROP_AND_SCALE) for picture in self._scaled(constraints, rates)}
        others = [dict(zip(self.fixed, values, strict=True)) for values in itertools.product(*map(_all, self.fixed.values()))]
        return [
            {"width": w, "height": h, "aspectRatio": aspect(w, h), "frameRate": rate, "resizeMode": resize, **other}
            for w, h, rate, resize in sorted(pictures)
            for other in others
        ]

    def _scaled(self, constraints: Constraints, rates: set[float]) -> Iterator[tuple[int, int, float]]:
        widest, highest = max(m.width for m in self.modes), max(m.height for m in self.modes)
        fastest = max(m.fastest for m in self.modes)
        sides = [_numbers(constraints, name, self.defaults) for name in ("width", "height")]
        widths = _points(Span(SMALLEST, widest), {m.width for m in self.modes} | sides[0])
        heights = _points(Span(SMALLEST, highest), {m.height for m in self.modes} | sides[1])
        wanted = {Fraction(a).limit_denominator(10_000) for a in constraints.numbers("aspectRatio") if a > 0}
        ratios = {Fraction(m.width, m.height) for m in self.modes} | wanted
        sizes = _sizes(_whole(widths), _whole(heights), ratios, widest, highest)
        every = _points(Span(SLOWEST, fastest), {m.fastest for m in self.modes} | rates)
        for (width, height), rate in itertools.product(sizes, every):
            if any(mode.covers(width, height, rate) for mode in self.modes):
                yield width, height, rate

    def rank(self, settings: Settings) -> tuple[Any, ...]:
        """Of settings that fit as well: pictures as they come, as much of them and as many as can be, with even sides, those
        nearest to the defaults."""
        width, height = settings["width"], settings["height"]
        far = sum(_apart(settings[name], value) for name, value in self.defaults.items() if name in settings)
        lost = 0.0  # a mode of the right shape may be much slower than another one
        if settings["resizeMode"] != NONE:
            covering = [m for m in self.modes if m.covers(width, height, settings["frameRate"])]
            lost = min((_cut(m, width, height) for m in covering), default=0.0)
            if usual := self.defaults.get("frameRate"):
                lost += max(0.0, 1 - settings["frameRate"] / usual)
        order = tuple(_all(values).index(settings[name]) for name, values in self.fixed.items())
        return settings["resizeMode"] != NONE, order, lost, width % 2 + height % 2, far, width * height

    def mode_for(self, settings: Settings, running: Mode | None = None) -> Mode:
        """The mode to take such pictures from, of one rate: what runs if it does, else what needs least to be done to."""
        if running is not None and running.gives(settings):
            return running
        width, height = settings["width"], settings["height"]
        fit = [m for mode in self.modes for m in mode.at(settings["frameRate"]) if m.gives(settings)]
        return min(fit, key=lambda m: (_cut(m, width, height), m.width * m.height, m.fastest))

    def only(self, mode: Mode) -> VideoSpace:
        """While it runs in one mode."""
        return VideoSpace((mode,), self.fixed, self.defaults)

    def capabilities(self) -> dict[str, Any]:
        """As getCapabilities tells them."""
        widest, highest = max(m.width for m in self.modes), max(m.height for m in self.modes)
        return {
            "width": {"min": SMALLEST, "max": widest},
            "height": {"min": SMALLEST, "max": highest},
            "aspectRatio": {"min": aspect(SMALLEST, highest), "max": aspect(widest, SMALLEST)},
            "frameRate": {"min": SLOWEST, "max": max(m.fastest for m in self.modes)},
            "resizeMode": [NONE, CROP_AND_SCALE],
            **{name: _shown(values) for name, values in self.fixed.items()},
        }


@dataclass(frozen=True)
class AudioSpace:
    """Of a microphone: each property by itself."""

    values: dict[str, Values]
    defaults: dict[str, Any]

    def possible(self, constraints: Constraints) -> list[Settings]:
        """Settings among which the best are."""
        points = [
            sorted(_points(values, _numbers(constraints, name, self.defaults))) if isinstance(values, Span) else values
            for name, values in self.values.items()
        ]
        whole = {"sampleRate", "channelCount", "sampleSize"}
        names = list(self.values)
        points = [[round(p) for p in ps] if n in whole else ps for n, ps in zip(names, points, strict=True)]
        return [dict(zip(names, values, strict=True)) for values in itertools.product(*points)]

    def rank(self, settings: Settings) -> tuple[Any, ...]:
        """Of settings that fit as well, those nearest to the defaults."""
        return (sum(_apart(settings[name], value) for name, value in self.defaults.items()),)

    def capabilities(self) -> dict[str, Any]:
        """As getCapabilities tells them."""
        return {name: _shown(values) for name, values in self.values.items()}


def aspect(width: int, height: int) -> float:
    return round(width / height, ASPECT_DIGITS)


def _cut(mode: Mode, width: int, height: int) -> float:
    """Which part of a mode's pictures is lost for another shape; what rounding to pixels costs is none."""
    scale = max(width / mode.width, height / mode.height)
    lost = 1 - width * height / (scale * mode.width * scale * mode.height)
    return round(lost, 2) if lost >= ROUNDING else 0.0


def _sizes(widths: set[int], heights: set[int], ratios: set[Fraction], widest: int, highest: int) -> set[tuple[int, int]]:
    sizes = set(itertools.product(widths, heights))
    for ratio in ratios:
        sizes |= {(w, h) for w in widths for h in _near(w / ratio)}
        sizes |= {(w, h) for h in heights for w in _near(h * ratio)}
        # Where the shape has to be met exactly: multiples of it.
        top = min(widest // ratio.numerator, highest // ratio.denominator)
        multiples = {k for w in widths for k in _near(Fraction(w, ratio.numerator))}
        multiples |= {k for h in heights for k in _near(Fraction(h, ratio.denominator))} | {top}
        multiples |= {k - k % 2 for k in multiples}
        sizes |= {(k * ratio.numerator, k * ratio.denominator) for k in multiples if k > 0}
    return {(w, h) for w, h in sizes if SMALLEST <= w <= widest and SMALLEST <= h <= highest}


def _near(value: Fraction) -> set[int]:
    return {math.floor(value), math.ceil(value), 2 * round(value / 2)}


def _whole(values: Iterable[float]) -> set[int]:
    return {n for value in values for n in (math.floor(value), math.ceil(value))}


def _numbers(constraints: Constraints, name: str, defaults: dict[str, Any]) -> set[float]:
    return {*constraints.numbers(name), *([defaults[name]] if name in defaults else [])}


def _points(values: Values, numbers: Iterable[float]) -> set[Any]:
    """The values to look at: all of a few, of a span its ends and the numbers in it."""
    if not isinstance(values, Span):
        return set(values)
    return {values.low, values.high, *(n for n in numbers if values.low <= n <= values.high)}


def _all(values: Values) -> tuple[Any, ...]:
    return (values.low, values.high) if isinstance(values, Span) else values


def _has(values: Values, number: float) -> bool:
    return values.low <= number <= values.high if isinstance(values, Span) else number in values


def _shown(values: Values) -> Any:
    if isinstance(values, Span):
        return {"min": values.low, "max": values.high}
    if values and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values):
        return {"min": min(values), "max": max(values)}
    return list(values)


def _apart(a: Any, b: Any) -> float:
    if isinstance(a, (bool, str)) or isinstance(b, (bool, str)):
        return float(a != b)
    return 0.0 if a == b else abs(a - b) / max(abs(a), abs(b))
