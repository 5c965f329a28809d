"""docs/claims.md names commands, cases and numbers of the tree: they are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.attack.mutants import mutants
from tests.fuzz import runner
from tests.unit import test_caps

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "claims.md").read_text()
PATHS = sorted(set(re.findall(r"(?:T=|`)\"?((?:tests|bench)/[\w/]+(?:\.\w+)?)", TEXT)))
CASES = sorted(set(re.findall(r"`([a-c]\d+_\w+|storm_\w+|full_agents_\w+)`", TEXT)))


@pytest.mark.parametrize("path", PATHS)
def test_what_a_command_runs_is_there(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("case", CASES)
def test_a_case_is_there(case: str) -> None:
    files = [*(ROOT / "tests" / "attack").glob("*_test.c"), *(ROOT / "tests" / "c").glob("*_test.c")]
    assert any(f"RUN({case});" in file.read_text() for file in files)


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)", TEXT)
    assert links and [link for link in links if not (ROOT / "docs" / link).exists()] == []


@pytest.mark.parametrize(
    "told",
    [
        f"([table](caps.md)) | all | {len(test_caps.ROWS)} of {len(test_caps.ROWS)} |",
        f"\n{len(mutants())} mutants;",
        f"| {len(runner.TARGETS)} fuzz targets ",
        f"| all C tests, {len(list((ROOT / 'tests' / 'c').glob('*_test.c')))} programs,",
    ],
)
def test_numbers_are_the_trees(told: str) -> None:
    assert told in TEXT, told
