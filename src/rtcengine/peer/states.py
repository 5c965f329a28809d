"""States of a connection from those of its transports (W3C §4.3.2 to §4.3.4)."""

from __future__ import annotations

from collections.abc import Collection


def ice_connection_state(ice: Collection[str]) -> str:
    states = set(ice)
    if "failed" in states:
        return "failed"
    if "disconnected" in states:
        return "disconnected"
    if states == {"closed"}:
        return "closed"  # the peer has said goodbye; the W3C has no word for it
    if states <= {"new", "closed"}:
        return "new"
    if states & {"new", "checking"}:
        return "checking"
    return "completed" if states <= {"completed", "closed"} else "connected"


def connection_state(ice: Collection[str], dtls: Collection[str]) -> str:
    states, keys = set(ice), set(dtls)
    if "failed" in states | keys:
        return "failed"
    if "disconnected" in states:
        return "disconnected"
    if states == {"closed"} == keys:
        return "closed"
    if states <= {"new", "closed"} and keys <= {"new", "closed"}:
        return "new"
    if states & {"new", "checking"} or keys & {"new", "connecting"}:
        return "connecting"
    return "connected"


def gathering_state(gatherers: Collection[str]) -> str:
    states = set(gatherers)
    if "gathering" in states:
        return "gathering"
    return "complete" if states == {"complete"} else "new"
