"""Pictures brought upright, as what is known of them says (RFC 7742 §4)."""

from __future__ import annotations

from dataclasses import replace

import av

from .about import about, tell
from .filters import FilterText, FrameFilter

TURNS = {90: "transpose=clock", 180: "hflip,vflip", 270: "transpose=cclock"}
FORGET = ",sidedata=delete:type=DISPLAYMATRIX"  # what a file says of it


class Upright:
    """Turns what has to be turned, and gives back all else as it is. One thread uses it."""

    def __init__(self) -> None:
        self._rotation = 0
        self._filter: FrameFilter | None = None

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame:
        known = about(frame)
        if not known.rotation:
            return frame
        if self._filter is None or self._rotation != known.rotation:
            self._filter = FrameFilter(FilterText(TURNS[known.rotation] + FORGET, "video"))
            self._rotation = known.rotation
        found: list[av.VideoFrame] = self._filter.put(frame)
        turned = found[-1]
        tell(turned, replace(known, rotation=0))
        return turned


def upright(frame: av.VideoFrame) -> av.VideoFrame:
    """One picture; a series is better turned by one `Upright`."""
    return Upright()(frame)
