"""For the whole run: the order of the parts, a mark by folder, and at the end how long each part took (with several workers:
the sum of what each spent on it)."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

HERE = Path(__file__).parent
# Cheap and telling first; what needs most machinery last.
ORDER = ["layers", "mutants", "c", "unit", "fuzz", "vectors", "sim", "interop", "attack", "browser"]
MARKED = {"fuzz", "sim", "interop", "attack", "browser"}
PART = pytest.StashKey[str]()


def part_of(path: Path) -> str:
    """The folder of a test; "c" for the C tests and the file's name for those beside this file."""
    if path.name == "test_c.py":
        return "c"
    if path.is_relative_to(HERE) and path.parent != HERE:
        return path.relative_to(HERE).parts[0]
    return path.stem.removeprefix("test_")


class Times:
    """Seconds by part: what is told of a test comes from whichever process ran it."""

    def __init__(self) -> None:
        self.spent: defaultdict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.spent[part_of(HERE.parent / report.location[0])] += report.duration

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if len(self.spent) > 1:
            parts = ", ".join(f"{part} {seconds:.1f} s" for part, seconds in self.spent.items())
            terminalreporter.write_line(f"time: {parts}")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Times())


@pytest.hookimpl(tryfirst=True)  # before -m chooses by the marks set here
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.stash[PART] = part_of(item.path)
        if item.stash[PART] in MARKED:
            item.add_marker(item.stash[PART])
    items.sort(key=lambda item: ORDER.index(item.stash[PART]) if item.stash[PART] in ORDER else len(ORDER))
