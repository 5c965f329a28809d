"""Whether what there is differs from what was negotiated (W3C §4.7.3 check if negotiation is needed)."""

from __future__ import annotations

from ..types import Direction
from .jsep_section import intersect
from .state import JsepConfig, State, Transceiver


def negotiation_needed(state: State, config: JsepConfig) -> bool:
    if state.stale_ice:
        return True
    if state.data_wanted and state.data_mid is None:
        return True
    return any(_needs(transceiver, state) for transceiver in state.transceivers)


def _needs(transceiver: Transceiver, state: State) -> bool:
    local, remote = state.current_local, state.current_remote
    if transceiver.stopping and not transceiver.stopped:
        return True
    ours = local.section(transceiver.mid) if local is not None and transceiver.mid is not None else None
    theirs = remote.section(transceiver.mid) if remote is not None and transceiver.mid is not None else None
    if transceiver.stopped:
        return ours is not None and not ours.is_rejected and theirs is not None and not theirs.is_rejected
    if ours is None or theirs is None or local is None or remote is None:
        return True
    wanted = transceiver.direction
    if wanted.sends:
        streams = {msid.stream for msid in ours.msids if msid.stream != "-"}
        if not ours.msids or streams != set(transceiver.streams):
            return True
    direction, offered = ours.direction or Direction.SENDRECV, remote.sdp.direction_of(theirs).reversed
    if local.type == "offer":
        return wanted not in (direction, offered)
    return direction is not intersect(wanted, offered)
