"""For the whole run: the order of the parts, a mark by folder, and at the end how long each part took."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

HERE = Path(__file__).parent
# Cheap and telling first; what needs most machinery last.
ORDER = ["layers", "mutants", "c", "unit", "fuzz", "vectors", "sim", "interop", "attack", "browser"]
MARKED = {"sim", "interop", "attack", "browser"}
PART = pytest.StashKey[str]()
SECONDS = pytest.StashKey[defaultdict[str, float]]()


def part_of(path: Path) -> str:
    """The folder of a test; "c" for the C tests and the file's name for those beside this file."""
    if path.name == "test_c.py":
        return "c"
    if path.is_relative_to(HERE) and path.parent != HERE:
        return path.relative_to(HERE).parts[0]
    return path.stem.removeprefix("test_")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SECONDS] = defaultdict(float)


@pytest.hookimpl(tryfirst=True)  # before -m chooses by the marks set here
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.stash[PART] = part_of(item.path)
        if item.stash[PART] in MARKED:
            item.add_marker(item.stash[PART])
    items.sort(key=lambda item: ORDER.index(item.stash[PART]) if item.stash[PART] in ORDER else len(ORDER))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> object:
    item.config.stash[SECONDS][item.stash[PART]] += call.duration
    return (yield)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    spent = config.stash[SECONDS]
    if len(spent) > 1:
        terminalreporter.write_line("time: " + ", ".join(f"{part} {seconds:.1f} s" for part, seconds in spent.items()))
