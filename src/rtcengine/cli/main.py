"""Reads the command line and hands over to the subcommand. Exit codes: 0 done, 1 it failed, 2 the command was wrong."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from ..engine import EngineError
from . import doctor, publish, relay, watch
from .errors import WrongCommand, sentence


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="rtcengine", description="WebRTC media engine for Python")
    top.add_argument("--version", action="version", version=f"rtcengine {version('rtcengine')}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in (relay, publish, watch, doctor):
        module.add_parser(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    args = parser().parse_args(argv)
    try:
        code: int = args.run(args)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read standard output has had enough; at exit Python would try once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except WrongCommand as error:
        code = _fail(args.command, error, 2)
    except (OSError, ValueError, RuntimeError, EngineError) as error:
        code = _fail(args.command, error, 1)
    return code


def _fail(command: str, error: Exception, code: int) -> int:
    print(f"rtcengine {command}: {sentence(error)}", file=sys.stderr)
    return code
