"""SelectSettings (W3C mediacapture-main §11.1.1): which of the settings that are possible fit constraints best. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from .constraints import Constraints, ConstraintSet, Wanted

Settings = Mapping[str, Any]

ASPECT_DIGITS = 10
"""Aspect ratios are compared as the W3C writes them, rounded to the tenth decimal place."""


def fitness_distance(settings: Settings, wanted: ConstraintSet) -> float:
    """The sum over all properties; infinite when what is required is not met."""
    return sum(distance(name, settings.get(name), one) for name, one in wanted.items())


def distance(name: str, actual: Any, wanted: Wanted) -> float:
    """Of one property; `actual` None: settings do not have it."""
    if wanted.required and (actual is None or not _satisfies(name, actual, wanted)):
        return math.inf
    if actual is None:
        return 1.0
    if not wanted.ideal:
        return 0.0
    if isinstance(actual, (bool, str)):
        return 0.0 if actual in wanted.ideal else 1.0
    return min(_apart(name, actual, ideal) for ideal in wanted.ideal)


def _satisfies(name: str, actual: Any, wanted: Wanted) -> bool:
    if isinstance(actual, (bool, str)):
        return not wanted.exact or actual in wanted.exact
    if wanted.exact and not any(_same(name, actual, exact) for exact in wanted.exact):
        return False
    if wanted.low is not None and actual < wanted.low and not _same(name, actual, wanted.low):
        return False
    return wanted.high is None or actual <= wanted.high or _same(name, actual, wanted.high)


def _same(name: str, a: float, b: float) -> bool:
    return abs(a - b) < 10**-ASPECT_DIGITS if name == "aspectRatio" else a == b


def _apart(name: str, actual: float, ideal: float) -> float:
    return 0.0 if _same(name, actual, ideal) else abs(actual - ideal) / max(abs(actual), abs(ideal))


def select_settings(
    possible: Iterable[Settings], constraints: Constraints, rank: Callable[[Settings], Any] | None = None
) -> Settings | None:
    """The best, None when none satisfies what is required. Of those at the same distance the one with the lowest `rank` is
    taken, else the first."""
    scored = [(fitness_distance(settings, constraints.basic), settings) for settings in possible]
    candidates = [(score, settings) for score, settings in scored if math.isfinite(score)]
    for one in constraints.advanced:
        kept = [(score, settings) for score, settings in candidates if math.isfinite(fitness_distance(settings, one))]
        candidates = kept or candidates
    if not candidates:
        return None
    least = min(score for score, _ in candidates)
    # Sums of floats in another order are not equal to the last bit.
    best = [settings for score, settings in candidates if score <= least + 1e-12]
    return best[0] if rank is None else min(best, key=rank)


def failed_constraint(possible: Sequence[Settings], constraints: Constraints) -> str:
    """A required property that none of the settings satisfies, "" when each is satisfied by some."""
    for name, wanted in constraints.basic.items():
        if wanted.required and all(math.isinf(distance(name, settings.get(name), wanted)) for settings in possible):
            return name
    return ""
