"""What a command says when it cannot do what it was asked to: one sentence and an exit code."""

from __future__ import annotations


class WrongCommand(Exception):
    """The command line makes no sense; the text says why. Exit code 2, as for what argparse finds."""


def sentence(error: BaseException) -> str:
    """One line of what went wrong, without the number that Python puts before what the system says."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(text.split()) or type(error).__name__
