"""Constraints as programs write them, dicts or dataclasses, read into one form (W3C mediacapture-main §11)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

NUMBERS = {"width", "height", "aspectRatio", "frameRate", "sampleRate", "sampleSize", "latency", "channelCount"}
FLAGS = {"echoCancellation", "autoGainControl", "noiseSuppression", "logicalSurface"}
WORDS = {"deviceId", "groupId", "facingMode", "resizeMode", "displaySurface", "cursor"}
EITHER = {"deviceId", "groupId"}
AUDIO = {"sampleRate", "sampleSize", "channelCount", "latency", "echoCancellation", "autoGainControl", "noiseSuppression"}
VIDEO = {"width", "height", "aspectRatio", "frameRate", "facingMode", "resizeMode"}
DISPLAY = {"displaySurface", "logicalSurface", "cursor"}
SUPPORTED = AUDIO | VIDEO | DISPLAY | EITHER
MEMBERS = {"exact", "ideal", "min", "max"}


@dataclass(frozen=True)
class Constrain:
    """What is wanted of one property. `exact` and `ideal` may be lists of strings, of which one has to do."""

    exact: Any = None
    ideal: Any = None
    min: float | None = None
    max: float | None = None


@dataclass
class MediaTrackConstraints:
    """The W3C's dictionary; each property is a value, a Constrain, or a dict with exact, ideal, min, max."""

    width: Any = None
    height: Any = None
    aspectRatio: Any = None
    frameRate: Any = None
    facingMode: Any = None
    resizeMode: Any = None
    sampleRate: Any = None
    sampleSize: Any = None
    channelCount: Any = None
    latency: Any = None
    echoCancellation: Any = None
    autoGainControl: Any = None
    noiseSuppression: Any = None
    deviceId: Any = None
    groupId: Any = None
    displaySurface: Any = None
    logicalSurface: Any = None
    cursor: Any = None
    advanced: Sequence[Any] = ()


@dataclass
class MediaStreamConstraints:
    """What `getUserMedia` takes: for each kind True, False or what is wanted of it."""

    audio: Any = False
    video: Any = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """Of one property. One of `exact` must be met and one of `ideal` should; numbers lie from `low` to `high`."""

    exact: tuple[Any, ...] = ()
    ideal: tuple[Any, ...] = ()
    low: float | None = None
    high: float | None = None

    @property
    def required(self) -> bool:
        return bool(self.exact) or self.low is not None or self.high is not None

    def numbers(self) -> list[float]:
        """All that are written in it."""
        found = [*self.exact, *self.ideal, self.low, self.high]
        return [n for n in found if isinstance(n, (int, float)) and not isinstance(n, bool)]


ConstraintSet = dict[str, Wanted]


@dataclass(frozen=True)
class Constraints:
    """The basic set, and advanced ones in their order."""

    basic: ConstraintSet = field(default_factory=dict)
    advanced: tuple[ConstraintSet, ...] = ()

    def numbers(self, name: str) -> list[float]:
        """All that are written of a property."""
        sets = (self.basic, *self.advanced)
        return [number for one in sets if name in one for number in one[name].numbers()]

    def mentions(self, name: str, value: str) -> bool:
        """Whether any set asks for this value of a property."""
        sets = (self.basic, *self.advanced)
        return any(value in one[name].exact or value in one[name].ideal for one in sets if name in one)


def plain(value: Any) -> Any:
    """A dataclass as a dict of what is set in it; other values as they are."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        items = ((f.name, getattr(value, f.name)) for f in dataclasses.fields(value))
        return {name: plain(item) for name, item in items if item is not None and item != ()}
    return value


def parse(given: Any, names: set[str] = SUPPORTED) -> Constraints:
    """TypeError for what cannot be constraints. Properties outside of `names` count for nothing, as in the W3C's getUserMedia
    those of the other kind and unknown ones do."""
    given = plain(given)
    if given is None or given is True:
        return Constraints()
    if not isinstance(given, Mapping):
        raise TypeError(f"constraints are a dict, a dataclass or True, not {given!r}")
    if "mandatory" in given or "optional" in given:
        given = modern(given)
    advanced = given.get("advanced") or ()
    if isinstance(advanced, (str, Mapping)) or not isinstance(advanced, Sequence):
        raise TypeError(f"`advanced` is a list of constraint sets, not {advanced!r}")
    return Constraints(
        _parse_set(given, names, bare_is_exact=False),
        tuple(_parse_set(plain(one), names, bare_is_exact=True) for one in advanced),
    )


def _parse_set(given: Any, names: set[str], *, bare_is_exact: bool) -> ConstraintSet:
    if not isinstance(given, Mapping):
        raise TypeError(f"a constraint set is a dict, not {given!r}")
    found = {}
    for name, value in given.items():
        if name in names and name in SUPPORTED and value is not None:
            wanted = _parse_one(name, plain(value), bare_is_exact)
            if wanted != Wanted():
                found[name] = wanted
    return found


def _parse_one(name: str, value: Any, bare_is_exact: bool) -> Wanted:
    if not isinstance(value, Mapping):
        values = _values(name, value)
        return Wanted(exact=values) if bare_is_exact else Wanted(ideal=values)
    value = {member: v for member, v in value.items() if v is not None}
    if unknown := set(value) - MEMBERS:
        raise TypeError(f"{name} has {', '.join(map(repr, sorted(unknown)))}: exact, ideal, min and max are known")
    if name not in NUMBERS and {"min", "max"} & set(value):
        raise TypeError(f"{name} is no number: it has no min and max")
    limits = [_values(name, value[member])[0] if member in value else None for member in ("min", "max")]
    exact, ideal = (_values(name, value[member]) if member in value else () for member in ("exact", "ideal"))
    return Wanted(exact, ideal, *limits)


def _values(name: str, value: Any) -> tuple[Any, ...]:
    if name in FLAGS:
        if not isinstance(value, bool):
            raise TypeError(f"{name} is True or False, not {value!r}")
        return (value,)
    if name in NUMBERS:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise TypeError(f"{name} is a number, not {value!r}")
        return (value,)
    values = (value,) if isinstance(value, str) else value
    if not isinstance(values, Sequence) or not all(isinstance(v, str) for v in values):
        raise TypeError(f"{name} is a string or a list of strings, not {value!r}")
    return tuple(values)


_OLD_NAMES = {"sourceId": "deviceId", **{f"goog{name[0].upper()}{name[1:]}": name for name in FLAGS}}


def modern(given: Mapping[str, Any]) -> dict[str, Any]:
    """What was written with `mandatory` and `optional`, before 2014: the first is required, the second is `advanced`. Limits of
    that time, as minWidth and maxFrameRate, become min and max."""
    if unknown := set(given) - {"mandatory", "optional"}:
        raise TypeError(f"`mandatory` and `optional` do not go together with {', '.join(sorted(unknown))}")
    basic: dict[str, Any] = _modern_set(given.get("mandatory") or {})
    for name, value in basic.items():
        if not isinstance(value, Mapping):
            basic[name] = {"exact": value}
    optional = given.get("optional") or ()
    if isinstance(optional, (str, Mapping)) or not isinstance(optional, Sequence):
        raise TypeError(f"`optional` is a list of constraint sets, not {optional!r}")
    return {**basic, "advanced": [_modern_set(one) for one in optional]}


def _modern_set(given: Any) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise TypeError(f"a constraint set is a dict, not {given!r}")
    found: dict[str, Any] = {}
    for old, value in given.items():
        name = _OLD_NAMES.get(old, str(old))
        limit, of = name[:3], name[3:4].lower() + name[4:]
        if limit in ("min", "max") and of in NUMBERS:
            found.setdefault(of, {})[limit] = value
        else:
            found[name] = dict(plain(value)) if isinstance(plain(value), Mapping) else value
    return found
