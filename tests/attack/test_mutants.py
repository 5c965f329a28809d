"""The mutants fit the tree, every row of the threats is covered, and (in `make long`) each mutant is killed."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests import programs
from tests.attack import mutants
from tests.attack.mutants import HERE, ROOT, Mutant

ROWS = ["B1"]
MUTANTS = mutants.mutants()
IDS = [f"{m.row}-{n}" for n, m in enumerate(MUTANTS)]


def cases() -> set[str]:
    """All attack tests, as mutants name them."""
    found = {f"{s.stem}::{case}" for s in HERE.glob("*_test.c") for case in programs.cases(s)}
    for file in HERE.glob("test_*.py"):
        names = re.findall(r"^(?:async )?def (test_\w+)", file.read_text(), re.MULTILINE)
        found |= {f"tests/attack/{file.name}::{name}" for name in names}
    return found


def is_of(row: str, case: str) -> bool:
    return case.partition("::")[2].removeprefix("test_").startswith(f"{row.lower()}_")


@pytest.mark.parametrize("mutant", MUTANTS, ids=IDS)
def test_a_mutant_fits_the_tree(mutant: Mutant) -> None:
    assert (ROOT / mutant.file).read_text().count(mutant.old) == 1
    assert mutant.old != mutant.new
    assert mutant.test in cases()
    assert is_of(mutant.row, mutant.test)
    assert mutant.file.startswith("csrc/" if mutant.in_c else "src/")


@pytest.mark.parametrize("row", ROWS)
def test_a_row_has_tests_and_mutants_or_a_reason(row: str) -> None:
    named = any(is_of(row, case) for case in cases())
    proved = any(m.row == row for m in MUTANTS)
    assert named == proved
    assert named or any(m.row == row for m in mutants.missing())


def test_every_case_is_of_a_row_and_has_a_mutant() -> None:
    tried = {m.test for m in MUTANTS}
    rest = {case for case in cases() if re.match(r"(test_)?[a-f]\d+_", case.partition("::")[2])}
    assert rest == tried


def test_a_test_that_passes_is_no_proof() -> None:
    passed = subprocess.CompletedProcess("", 0, "ok x", "")
    failed = subprocess.CompletedProcess("", 1, "", "a.c:1: CHECK(x) failed")
    assert mutants.reason(passed) == "exit 0"
    assert mutants.reason(failed) == "a.c:1: CHECK(x) failed"


@pytest.mark.long
def test_mutants_are_killed(capfd: pytest.CaptureFixture[str]) -> None:
    def say(line: str) -> None:
        with capfd.disabled():
            print(line, flush=True)

    assert mutants.prove([], say) == []
