"""The mutants fit the tree, every row of the threats is covered, and (in `make long`) each mutant is killed."""

from __future__ import annotations

import re

import pytest

from tests import programs
from tests.attack import mutants
from tests.attack.mutants import HERE, ROOT, Missing, Mutant

ROWS = [*(f"A{n}" for n in range(1, 12)), *(f"B{n}" for n in range(1, 8)), *(f"C{n}" for n in range(1, 12))]
ROWS += [*(f"E{n}" for n in (1, 2, *range(10, 15))), "STORM"]
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
    rest = {case for case in cases() if re.match(r"(test_)?([a-f]\d+|storm)_", case.partition("::")[2])}
    assert rest == tried


def test_what_is_called_missing_is_missing() -> None:
    gone, there = Missing("C6", "", "csrc/proto/no_such.c"), Missing("C6", "", "csrc/proto/framebuf.c")
    assert mutants.stale([gone, there]) == [there]
    assert mutants.stale(mutants.missing()) == []


@pytest.mark.long
def test_mutants_are_killed(capfd: pytest.CaptureFixture[str]) -> None:
    def say(line: str) -> None:
        with capfd.disabled():
            print(line, flush=True)

    assert mutants.prove([], say) == []


@pytest.mark.long
def test_one_that_survives_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    file, text, test = "csrc/proto/srtp.c", "#include <stdlib.h>", "keys_test::b4_key_limits"
    planted = [
        Mutant("B4", "harmless", file, text, f"{text}\n", test),
        Mutant("B4", "not there", file, "no such text", "", test),
        Mutant("B4", "does not build", file, text, "#error x", test),
    ]
    monkeypatch.setattr(mutants, "mutants", lambda: planted)
    faults = mutants.prove(["B4", "Z9"], lambda line: None)
    assert [words in fault for words, fault in zip(("Z9", "survives", "has 0", "not build"), faults, strict=True)] == [True] * 4
