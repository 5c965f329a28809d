"""docs/caps.md says what the code does: values, counters and tests are there, no constant that looks like a cap is missing."""

from __future__ import annotations

import dataclasses
import importlib
import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "caps.md").read_text()
LOOKS_LIKE_A_CAP = re.compile(
    r"_(MAX|CAP|SOCKETS|EVENTS|FRAMES|COMMANDS|GAUGES|PATHS|MAP|KEPT|BATCH|BATCHES|NODES|JOBS|BYTES|HISTORY_\w+)$|^MAX_|^SET$"
)


def enum_constants() -> dict[str, str]:
    """Every constant of an enum in csrc with its expression."""
    found: dict[str, str] = {}
    for path in sorted((ROOT / "csrc").glob("**/*.[ch]")):
        text = re.sub(r"/\*.*?\*/|//[^\n]*", "", path.read_text(), flags=re.S)
        for block in re.findall(r"\benum(?:\s+\w+)?\s*\{([^}]*)\}", text):
            for part in block.split(","):
                if match := re.fullmatch(r"\s*([A-Z]\w*)\s*=\s*(.+?)\s*", part, re.S):
                    found.setdefault(match[1], match[2])
    return found


CONSTANTS = enum_constants()


def value_of(name: str) -> int:
    expression = re.sub(r"\b[A-Z]\w+\b", lambda match: str(value_of(match[0])), CONSTANTS[name])
    assert re.fullmatch(r"[\dxa-f +*()<>-]+", expression), expression
    return int(eval(expression))  # arithmetic on numbers, as the line before says


class Row(NamedTuple):
    what: str
    cap: str
    value: str
    at_the_cap: str
    counter: str
    test: str


def table(heading: str) -> list[list[str]]:
    part = TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


ROWS = [Row(*cells) for cells in table("Queues and tables")]
NOT_QUEUES = re.findall(r"`(\w+)`", " ".join(cells[0] for cells in table("Constants that bound no queue")))


def python_value(dotted: str) -> object:
    """A module's constant, or the default of a dataclass's field."""
    module, _, name = dotted.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError:
        module, _, owner = module.rpartition(".")
        fields = dataclasses.fields(getattr(importlib.import_module(module), owner))
        return next(field.default for field in fields if field.name == name)


@pytest.mark.parametrize("row", [row for row in ROWS if row.value.isdigit()], ids=lambda row: row.cap.strip("`"))
def test_value(row: Row) -> None:
    name = row.cap.strip("`")
    assert int(row.value) == (python_value(name) if "." in name else value_of(name))


def test_slots_unless_set() -> None:
    assert "h->slots = cfg->slots ? cfg->slots : 32768;" in (ROOT / "csrc/engine/hub.c").read_text()
    assert "uint32_t room = h->slots / 2;" in (ROOT / "csrc/engine/keep.c").read_text()
    assert [row.value for row in ROWS if not row.value.isdigit()] == ["32768 unless set", ""]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what)
def test_counter_is_there(row: Row) -> None:
    reasons = re.findall(r'X\(\w+, "(\w+)"\)', (ROOT / "csrc/engine/drop.h").read_text())
    quoted, named = re.findall(r'"(\w+)"', row.counter), re.findall(r"`([\w.]+)`", row.counter)
    assert set(quoted) <= set(reasons)
    for name in named:
        struct, _, field = name.rpartition(".")
        if struct:
            headers = "".join(path.read_text() for path in (ROOT / "csrc").glob("*/*.h"))
            body = re.search(rf"typedef struct {struct} \{{(.*?)\n\}} {struct}_t;", headers, re.S)
            assert body and re.search(rf"\b{field}\b", body[1]), name
        else:
            assert f'"{name}"' in (ROOT / "src/rtcengine/relay/metrics.py").read_text(), name
    assert quoted or named or row.counter.startswith("none") or row.counter == "told"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what)
def test_test_is_there(row: Row) -> None:
    file, name = row.test.strip("`").split(": ")
    if file.endswith(".c"):
        assert f"  RUN({name});" in (ROOT / "tests" / "c" / file).read_text()
    else:
        assert re.search(rf"^(async )?def {name}\(", (ROOT / "tests" / "unit" / file).read_text(), re.M)


def test_every_cap_is_listed() -> None:
    listed = [row.cap.strip("`") for row in ROWS] + NOT_QUEUES
    assert len(listed) == len(set(listed)), "named twice"
    looks = {name for name in CONSTANTS if LOOKS_LIKE_A_CAP.search(name) and not re.search(r"_(US|MS|BPS)$", name)}
    missing = sorted(looks - set(listed))
    assert not missing, "not in docs/caps.md"
    known = set(CONSTANTS) | {row.cap.strip("`") for row in ROWS if "." in row.cap or not row.value}
    gone = sorted(set(listed) - known)
    assert not gone, "gone from the code"
