"""FFmpeg's filters by their text, "atadenoise,scale=320:-2": pictures or sound in, pictures or sound out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

import av
import av.filter

from .about import UNKNOWN, about, tell
from .encode import spare_threads

SMALL = 1280 * 720  # up to here threads cost more than they give
MOST_PICTURES, MOST_SOUNDS = 64, 4096
"""Frames out of one that goes in: some sources give without an end."""
STAND_INS = {
    "hqdn3d": "atadenoise",
    "owdenoise": "atadenoise",
    "boxblur": "gblur",
    "smartblur": "gblur",
    "eq": "lutyuv",
    "mpdecimate": "decimate",
}
"""For filters that are under the GPL, which PyAV's FFmpeg has not."""
SINKS = {"video": "buffersink", "audio": "abuffersink"}


class Step(NamedTuple):
    """One filter of a text, with the labels of its inputs and outputs."""

    name: str
    args: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"{self.name}={self.args}" if self.args else self.name


class End(NamedTuple):
    """One input or output of a filter."""

    context: Any
    pad: int


class FilterText:
    """What a text says, with the syntax of FFmpeg: filters between commas, chains between semicolons, links in brackets.
    ValueError, which names the filter, for one that is not known, does not take its arguments, or does not fit the others.
    `kind`: what goes in, `gives`: what comes out, "video" or "audio"; one of each."""

    def __init__(self, text: str, kind: str) -> None:
        self.text, self.kind = text, kind
        self._chains = list(_parse(text))
        form = {"video": (640, 480, "yuv420p"), "audio": ("s16", 48000, "stereo")}[kind]
        self.gives = ""
        for gives in SINKS:
            graph, last = self._make(form, Fraction(1, 90_000), 1)[::2]
            try:
                last.context.link_to(graph.add(SINKS[gives]), last.pad)
                self.gives = gives
            except av.FFmpegError:
                continue  # PyAV does not tell what an output is of
        if not self.gives:
            raise ValueError(f"filters {text!r} give neither pictures nor sound")

    def graph(self, form: tuple[Any, ...], time_base: Fraction, threads: int) -> tuple[Any, Any, Any]:
        """For frames of a form (`form_of`): the graph, what they are pushed into, what is pulled from. ValueError where they do
        not fit."""
        graph, source, last = self._make(form, time_base, threads)
        sink: Any = graph.add(SINKS[self.gives])
        last.context.link_to(sink, last.pad)
        try:
            graph.configure()
        except (av.FFmpegError, ValueError) as error:
            shown = "x".join(map(str, form[:2])) if self.kind == "video" else " ".join(map(str, form))
            raise ValueError(f"filter {self.text!r} does not fit {self.kind} of {shown}: {_why(error)}") from None
        return graph, source, sink

    def _make(self, form: tuple[Any, ...], time_base: Fraction, threads: int) -> tuple[Any, Any, End]:
        """All but the sink, and which output leads there."""
        graph = av.filter.Graph()
        graph.threads = threads
        source = _source(graph, self.kind, form, time_base)
        inputs: dict[str, End] = {}
        outputs: dict[str, End] = {"in": End(source, 0)}
        loose: list[End] = []  # inputs that nothing is named for
        for chain in self._chains:
            before: list[End] = []
            for step in chain:
                before = self._add(graph, step, before, inputs, outputs, loose)
            for end in before:
                outputs[f"{len(outputs)} without a name"] = end
        return graph, source, self._join(inputs, outputs, loose)

    def _add(
        self,
        graph: av.filter.Graph,
        step: Step,
        before: list[End],
        inputs: dict[str, End],
        outputs: dict[str, End],
        loose: list[End],
    ) -> list[End]:
        """Its outputs that have no label yet."""
        try:
            context: Any = graph.add(step.name.partition("@")[0], step.args or None)
        except (av.FFmpegError, ValueError) as error:
            raise ValueError(f"filter {step.text!r}: {_why(error)}{_instead(step.name.partition('@')[0])}") from None
        takes = [End(context, i) for i in range(len(context.inputs))]
        gives = [End(context, i) for i in range(len(context.outputs))]
        if len(step.sources) + len(before) > len(takes) or len(step.targets) > len(gives):
            raise ValueError(f"filter {step.text!r} has {len(takes)} inputs and {len(gives)} outputs: too many are linked")
        for label in step.sources:
            _once(inputs, label, takes.pop(0), step)
        for end in before:
            _link(end, takes.pop(0))
        loose += takes
        for label in step.targets:
            _once(outputs, label, gives.pop(0), step)
        return gives

    def _join(self, inputs: dict[str, End], outputs: dict[str, End], loose: list[End]) -> End:
        """Links by label; what is left over is the way in, and the way out, which comes back."""
        for label in inputs.keys() & outputs.keys():
            _link(outputs.pop(label), inputs.pop(label))
        way_in, free = outputs.pop("in", None), [*inputs.values(), *loose]
        if way_in is not None and len(free) == 1:
            _link(way_in, free.pop())
            way_in = None
        if way_in is not None or free:
            raise ValueError(f"filters {self.text!r} have {len(free)} ways in that nothing is linked to, not one")
        if len(outputs) != 1:
            raise ValueError(f"filters {self.text!r} have {len(outputs)} ways out that nothing is linked to, not one")
        return next(iter(outputs.values()))


class FrameFilter:
    """Passes frames through filters, which are made anew when frames of another size or format come. One thread uses it."""

    def __init__(self, text: FilterText) -> None:
        self._text = text
        self._form: tuple[Any, ...] = ()
        self._graph: Any = None  # which the two do not keep alive
        self._source: Any = None
        self._sink: Any = None
        self._latest = UNKNOWN

    def put(self, frame: Any) -> list[Any]:
        """What comes out with this frame."""
        found: list[Any] = []
        self._latest = about(frame)
        base = frame.time_base or Fraction(1, getattr(frame, "sample_rate", 0) or 90_000)
        form = form_of(frame)
        if (*form, base) != self._form:
            found = self.end()
            threads = spare_threads(4) if self._text.kind == "video" and frame.width * frame.height > SMALL else 1
            self._graph, self._source, self._sink = self._text.graph(form, base, threads)
            self._form = (*form, base)
        try:
            self._source.push(frame)
        except av.FFmpegError as error:
            raise ValueError(f"filter {self._text.text!r}: {_why(error)}") from error
        return found + self._ready()

    def end(self) -> list[Any]:
        """What is still inside. It begins anew with the next frame."""
        if self._graph is None:
            return []
        self._source.push(None)
        found = self._ready()
        self._graph = self._source = self._sink = None
        self._form = ()
        return found

    def _ready(self) -> list[Any]:
        found: list[Any] = []
        most = MOST_PICTURES if self._text.gives == "video" else MOST_SOUNDS
        try:
            while len(found) < most:
                frame = self._sink.pull()
                if frame.opaque is None and self._latest is not UNKNOWN:
                    tell(frame, self._latest)  # made of several
                found.append(frame)
            return found
        except (BlockingIOError, EOFError):
            return found
        except av.FFmpegError as error:
            raise ValueError(f"filter {self._text.text!r}: {_why(error)}") from error


def form_of(frame: Any) -> tuple[Any, ...]:
    """What filters are made for."""
    if isinstance(frame, av.VideoFrame):
        return frame.width, frame.height, frame.format.name
    return frame.format.name, frame.sample_rate, frame.layout.name


def _source(graph: av.filter.Graph, kind: str, form: tuple[Any, ...], time_base: Fraction) -> Any:
    if kind == "video":
        width, height, pixels = form
        return graph.add_buffer(width=width, height=height, format=av.VideoFormat(pixels), time_base=time_base)
    samples, rate, layout = form
    return graph.add_abuffer(sample_rate=rate, format=samples, layout=layout, time_base=time_base)


def _link(source: End, target: End) -> None:
    try:
        source.context.link_to(target.context, source.pad, target.pad)
    except av.FFmpegError:
        names = target.context.filter.name, source.context.filter.name
        raise ValueError("filter {!r} does not take what {!r} gives: pictures and sound differ".format(*names)) from None


def _once(ends: dict[str, End], label: str, end: End, step: Step) -> None:
    if label in ends:
        raise ValueError(f"filter {step.text!r}: the link [{label}] is there already")
    ends[label] = end


def _parse(text: str) -> Iterator[list[Step]]:
    """Chains of steps (ffmpeg-filters, "Filtergraph syntax")."""
    rest, chain = text.strip(), list[Step]()
    while True:
        sources, rest = _labels(rest, text)
        name_and_args, rest = _token(rest, "[],;")
        targets, rest = _labels(rest, text)
        name, _, args = name_and_args.partition("=")
        if not name.strip():
            raise ValueError(f"filters {text!r}: a filter without a name" if text.strip() else "no filter is named")
        chain.append(Step(name.strip(), args, sources, targets))
        if not rest or rest[0] == ";":
            yield chain
            chain = []
        elif rest[0] != ",":
            raise ValueError(f"filters {text!r}: nothing but a comma or a semicolon may stand before {rest!r}")
        if not rest:
            return
        rest = rest[1:].lstrip()


def _labels(rest: str, text: str) -> tuple[tuple[str, ...], str]:
    found: list[str] = []
    while rest.startswith("["):
        label, closed, rest = rest[1:].partition("]")
        if not closed or not re.fullmatch(r"[\w:]+", label):
            raise ValueError(f"filters {text!r}: [{label} is no label")
        found.append(label)
        rest = rest.lstrip()
    return tuple(found), rest


def _token(rest: str, ends: str) -> tuple[str, str]:
    """Up to one of these characters, without one level of quotes and backslashes (ffmpeg-utils, "Quoting and escaping")."""
    out, kept, at = "", 0, 0  # kept: blanks behind it go
    while at < len(rest) and rest[at] not in ends:
        if rest[at] == "\\" and at + 1 < len(rest):
            out += rest[at + 1]
            kept, at = len(out), at + 2
        elif rest[at] == "'":
            end = rest.find("'", at + 1)
            end = len(rest) if end < 0 else end
            out += rest[at + 1 : end]
            kept, at = len(out), end + 1
        else:
            out += rest[at]
            at += 1
    return out[:kept] + out[kept:].rstrip(), rest[at:].lstrip()


def _instead(name: str) -> str:
    """What stands in for a filter that PyAV's FFmpeg has not."""
    other = STAND_INS.get(name)
    if other is None or name in av.filter.filters_available:
        return ""
    return f": PyAV's FFmpeg has no {name}, which is under the GPL; {other} stands in for it"


def _why(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
