"""wpt.toml names cases of the web platform tests and the tests of ours that ask the same, each of which is there."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TABLE = tomllib.loads((HERE / "wpt.toml").read_text())
CASES = [(file, title, named) for file, cases in TABLE.items() for title, named in cases.items()]
LEAST = 150


@cache
def defined_in(path: Path) -> Iterable[str]:
    functions = (node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {function.name for function in functions}


@pytest.mark.parametrize("named", sorted({named for _, _, named in CASES}))
def test_ours_is_there(named: str) -> None:
    file, name = named.split(": ")
    assert name in defined_in(HERE.parent / file if "/" in file else HERE / file)


def test_how_many_cases() -> None:
    assert len(CASES) >= LEAST
    told = (HERE.parents[1] / "docs" / "claims.md").read_text()
    assert f"| {len(CASES)} cases of {len(TABLE)} files |" in told


def test_who_says_to_be_after_them_is_named() -> None:
    after = {path.name for path in HERE.glob("test_*.py") if "After WPT's" in path.read_text() and path != Path(__file__)}
    perfect = {"test_peer_perfect.py"}  # its one file has no case that is asked alone
    assert after - perfect <= {named.split(": ")[0] for _, _, named in CASES}
