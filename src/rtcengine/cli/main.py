"""Reads the command line and hands over to the subcommand. Exit codes: 0 done, 1 it failed, 2 the command was wrong."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version

from . import doctor, relay


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="rtcengine", description="WebRTC media engine for Python")
    top.add_argument("--version", action="version", version=f"rtcengine {version('rtcengine')}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in (relay, doctor):
        module.add_parser(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    args = parser().parse_args(argv)
    try:
        code: int = args.run(args)
    except KeyboardInterrupt:
        return 130
    except (OSError, ValueError, RuntimeError) as error:
        print(f"rtcengine {args.command}: {error}", file=sys.stderr)
        return 1
    return code
