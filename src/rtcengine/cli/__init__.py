"""The command `rtcengine`: one subcommand a file."""

from __future__ import annotations

from .main import main

__all__ = ["main"]
