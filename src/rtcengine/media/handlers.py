"""Event handlers as attributes, `pc.onicecandidate = ..` (HTML's event handler IDL attributes), beside `on(event, ..)`."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """Of what happened to `target`."""

    target: Any


@dataclass(frozen=True, slots=True)
class MessageEvent:
    """What a channel brought."""

    data: Any
    target: Any


class Handler:
    """One function that is told of an event, or None. `make` makes of the object and what its event brings that which the
    function gets, an Event where there is none; a function without parameters gets nothing."""

    def __init__(self, event: str, make: Callable[..., Any] | None = None) -> None:
        self._event = event
        self._make = make if make is not None else lambda target, *_: Event(target)

    def __set_name__(self, owner: type, name: str) -> None:
        self._key = f"_handler_{name}"

    def __get__(self, target: Any, owner: type | None = None) -> Any:
        if target is None:
            return self
        return target.__dict__.get(self._key, (None, ()))[0]

    def __set__(self, target: Any, function: Callable[..., Any] | None) -> None:
        if function is not None and not callable(function):
            raise TypeError(f"a handler is a function or None, not {function!r}")
        for event, listener in target.__dict__.pop(self._key, (None, ()))[1]:
            with contextlib.suppress(KeyError):  # all were removed when it ended
                target.remove_listener(event, listener)
        if function is not None:
            listeners = self._listeners(target, function if _takes_one(function) else lambda _: function())
            for event, listener in listeners:
                target.on(event, listener)
            target.__dict__[self._key] = function, listeners

    def _listeners(self, target: Any, tell: Callable[[Any], Any]) -> list[tuple[str, Callable[..., Any]]]:
        """What `tell` is called by."""
        return [(self._event, lambda *brought: tell(self._make(target, *brought)))]


def _takes_one(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        return False
    except ValueError:  # of C, which does not tell
        return True
    return True
