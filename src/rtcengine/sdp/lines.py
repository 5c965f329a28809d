"""From bytes to numbered lines, and the checks every grammar below shares. All limits of reading are here."""

from __future__ import annotations

import re
import string
from typing import NamedTuple, NoReturn

from .errors import Malformed, SdpError

MAX_BYTES = 64 * 1024
MAX_LINES = 2000
MAX_LINE = 8 * 1024  # characters
MAX_SECTIONS = 64
MAX_PAYLOAD_TYPE = 127
MAX_SSRC = 2**32 - 1

_TOKEN = re.compile(r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+")  # RFC 8866 §9
_LINE = re.compile(r"[a-z]=")
_HEADS = frozenset(f"{letter}=" for letter in string.ascii_lowercase)


class Line(NamedTuple):
    """`type` is the letter before the equals sign, `value` all after it."""

    number: int
    type: str
    value: str

    @classmethod
    def of(cls, number: int, row: str) -> Line:
        """A row of `split_rows`."""
        return cls(number, row[0], row[2:])

    @property
    def text(self) -> str:
        return f"{self.type}={self.value}"

    def error(self, reason: str) -> SdpError:
        return SdpError(reason, self.number, self.text)


def split(data: str | bytes, *, max_bytes: int = MAX_BYTES, max_lines: int = MAX_LINES) -> list[Line]:
    """`split_rows`, taken apart."""
    rows = split_rows(data, max_bytes=max_bytes, max_lines=max_lines)
    return [Line.of(number, row) for number, row in enumerate(rows, 1)]


def split_rows(data: str | bytes, *, max_bytes: int = MAX_BYTES, max_lines: int = MAX_LINES) -> list[str]:
    """Lines of a description, each a letter, an equals sign and a value. CRLF and LF both end a line, empty lines only at the
    very end are let pass.

    The size is looked at before anything else, so that a huge input costs nothing.
    """
    text = _decode(data, max_bytes)
    if "\0" in text:
        raise _error_at(text, text.index("\0"), "NUL character")
    text = text.replace("\r\n", "\n").removesuffix("\r")
    rows = text.split("\n")
    while rows and not rows[-1]:
        rows.pop()
    if not rows:
        raise SdpError("the description is empty", 1, "")
    if len(rows) > max_lines:
        raise SdpError(f"more than {max_lines} lines", max_lines + 1, rows[max_lines])
    # All at once, since nearly every description is well formed; which line is wrong is looked for when one is.
    if "\r" in text or not _HEADS.issuperset([row[:2] for row in rows]) or len(max(rows, key=len)) > MAX_LINE:
        _complain(rows)
    return rows


def _complain(rows: list[str]) -> NoReturn:
    for number, row in enumerate(rows, 1):
        if len(row) > MAX_LINE:
            raise SdpError(f"line longer than {MAX_LINE} characters", number, row)
        if "\r" in row:
            raise SdpError("carriage return within a line", number, row)
        if not _LINE.match(row):
            raise SdpError("not of the form <letter>=<value>", number, row)
    raise AssertionError("no line is wrong")


def _decode(data: str | bytes, max_bytes: int) -> str:
    # A character is at least one byte, so the cheap test comes first for str as well.
    if len(data) > max_bytes:
        head = data[:max_bytes]
        text = head if isinstance(head, str) else head.decode("utf-8", "replace")
        raise _too_large(text, max_bytes)
    if isinstance(data, str):
        try:
            if not data.isascii() and len(data.encode()) > max_bytes:
                raise _too_large(data, max_bytes)
        except UnicodeEncodeError as e:
            raise _error_at(data, e.start, "not encodable as UTF-8") from None
        return data
    try:
        return data.decode()
    except UnicodeDecodeError as e:
        raise _error_at(data.decode("utf-8", "replace"), len(data[: e.start].decode()), "not UTF-8") from None


def _too_large(text: str, max_bytes: int) -> SdpError:
    return _error_at(text, len(text) - 1, f"the description is larger than {max_bytes} bytes")


def _error_at(text: str, position: int, reason: str) -> SdpError:
    start = text.rfind("\n", 0, position) + 1
    end = text.find("\n", position)
    row = text[start : end if end >= 0 else len(text)]
    return SdpError(reason, text.count("\n", 0, start) + 1, row.removesuffix("\r"))


def number(text: str, what: str, maximum: int, minimum: int = 0) -> int:
    """An unsigned decimal within limits. int() alone would take "+1", "1_0" and other scripts' digits."""
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise Malformed(f"{what} is not a number")
    value = int(text)
    if not minimum <= value <= maximum:
        raise Malformed(f"{what} {value} is not within {minimum} to {maximum}")
    return value


def payload_type(text: str) -> int:
    found = _PAYLOAD_TYPES.get(text)
    return found if found is not None else number(text, "payload type", MAX_PAYLOAD_TYPE)


PAYLOAD_TYPE_TEXTS = tuple(str(n) for n in range(MAX_PAYLOAD_TYPE + 1))
_PAYLOAD_TYPES = {text: n for n, text in enumerate(PAYLOAD_TYPE_TEXTS)}


def token(text: str, what: str, longest: int = 255) -> str:
    if len(text) > longest or not _TOKEN.fullmatch(text):
        raise Malformed(f"{what} is not a token of at most {longest} characters")
    return text


def fields(text: str, what: str, least: int, most: int | None = None) -> list[str]:
    """Space-separated fields, at least `least` of them and, when given, at most `most`."""
    found = text.split(" ")
    if "" in found:
        found = [part for part in found if part]
    if len(found) < least or (most is not None and len(found) > most):
        count = str(least) if most == least else f"at least {least}" if most is None else f"{least} to {most}"
        raise Malformed(f"{what} needs {count} fields, has {len(found)}")
    return found
