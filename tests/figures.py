"""What a test measured while it checked: one JSON line a figure in build/figures.jsonl, from which docs/claims.md is kept."""

from __future__ import annotations

import json
from pathlib import Path

FILE = Path(__file__).resolve().parents[1] / "build" / "figures.jsonl"


def note(name: str, **values: float | int | str) -> None:
    """Adds a figure. A name may come several times: once a run and parameter."""
    FILE.parent.mkdir(parents=True, exist_ok=True)
    with FILE.open("a") as file:
        file.write(json.dumps({"figure": name, **values}) + "\n")
