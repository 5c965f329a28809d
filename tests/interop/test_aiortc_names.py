"""aiortc_suite.toml says which test of ours asks what each of aiortc's does: none is left out, each of ours is there."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

from tests.interop.aiortc_source import source

HERE = Path(__file__).parent
TABLE = tomllib.loads((HERE / "aiortc_suite.toml").read_text())
COUNTS = {"test_rtcpeerconnection": 90, "test_sdp": 20}


def defined_in(path: Path) -> list[str]:
    functions = (
        node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    return [function.name for function in functions if function.name.startswith("test_")]


def ours() -> set[str]:
    named = {name for part in TABLE["same"].values() for name in part.values()}
    return named | {name for part in TABLE["differs"].values() for name, _ in part.values()}


@pytest.mark.parametrize("file", COUNTS)
def test_each_of_aiortcs_is_in_the_table_once(file: str) -> None:
    listed = [name for how in TABLE.values() for name in how.get(file, {})]
    assert sorted(listed) == sorted(defined_in(source() / "tests" / f"{file}.py")) and len(listed) == COUNTS[file]


@pytest.mark.parametrize("name", sorted(ours()))
def test_ours_is_there(name: str) -> None:
    *file, function = name.split(": ")
    path = HERE.parent / file[0] if file and "/" in file[0] else HERE / (file or ["test_aiortc_suite.py"])[0]
    assert function in defined_in(path)


def test_what_differs_and_what_is_left_has_its_reason() -> None:
    reasons = [reason for part in TABLE["differs"].values() for _, reason in part.values()]
    reasons += [reason for part in TABLE["left"].values() for reason in part.values()]
    assert all(len(reason.split()) > 1 for reason in reasons)


def test_the_page_tells_the_numbers() -> None:
    told = re.search(
        r"(\d+) and (\d+) are asked.*?(\d+) are left", (HERE.parents[1] / "docs" / "aiortc.md").read_text(), re.DOTALL
    )
    left = sum(map(len, TABLE["left"].values()))
    assert told and [int(n) for n in told.groups()] == [90 - left, 20, left]
