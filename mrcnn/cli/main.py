"""The `mrcnn` command: its sub-commands, and how errors end it."""

from __future__ import annotations

import argparse
import io
import os
import sys
import traceback
import warnings
from collections.abc import Sequence

import mrcnn
from mrcnn.cli import check, detect, evaluate, info, train
from mrcnn.cli.errors import Terminated, explained, one_line

COMMANDS = {
    "detect": detect,
    "train": train,
    "evaluate": evaluate,
    "check": check,
    "info": info,
}
# The last three are what shells give for signals 2, 13 and 15.
FAILED, INTERRUPTED, UNREAD, TERMINATED = 2, 130, 141, 143


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong, also about arguments of a sub-command."""

    def error(self, message: str):
        """Prints the message and exits."""
        self.exit(FAILED, f"{self.prog}: error: {message}; see {self.prog} --help\n")

    def parse_known_args(self, args=None, namespace=None):
        """Returns (namespace, []), or exits and names the sub-command."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, unknown


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser of all commands."""
    parser = _Parser(
        prog="mrcnn", description="Mask R-CNN: find objects and their masks."
    )
    parser.add_argument(
        "--version", action="version", version=f"mrcnn {mrcnn.__version__}"
    )
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    for name, module in COMMANDS.items():
        text = module.__doc__.splitlines()[0]
        command = commands.add_parser(
            name,
            help=text[0].lower() + text[1:].rstrip("."),
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add(command)
        command.add_argument(
            "--debug", action="store_true", help="show the traceback of an error"
        )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit code.

    0: done; 1: done, and something is wrong with the data or file; 2: an error, in
    one line on stderr; 130: interrupted; 141: nobody reads what is printed, as in
    `mrcnn info ... | head`; 143: ended by SIGTERM.

    Args:
        argv: arguments; None for those of the process.

    Raises:
        SystemExit: after --help, and for arguments that can't be understood.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # As stderr does: a name that can't be printed must not end the command.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = _run(argv)
    except BrokenPipeError:
        code = UNREAD
    except SystemExit:  # of argparse
        if _flush():
            raise
        return UNREAD
    return code if _flush() else UNREAD


def _run(argv: Sequence[str] | None) -> int:
    """Runs one command; raises BrokenPipeError where nobody reads what it prints."""
    args = make_parser().parse_args(argv)
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            return COMMANDS[args.command].run(args)
        except Terminated:
            print("mrcnn: terminated", file=sys.stderr)
            return TERMINATED
        except KeyboardInterrupt:
            print("mrcnn: interrupted", file=sys.stderr)
            return INTERRUPTED
        except BrokenPipeError:
            if args.debug:
                traceback.print_exc()
            raise
        except Exception as error:
            if args.debug:
                traceback.print_exc()
            text = explained(error)
            print(f"mrcnn {args.command}: error: {text}", file=sys.stderr)
            return FAILED


def _flush() -> bool:
    """Prints what is held back; returns False where nobody reads it any more."""
    is_read = True
    for name in ("stdout", "stderr"):
        try:
            if (stream := getattr(sys, name)) is not None:  # as after >&-
                stream.flush()
        except BrokenPipeError:
            # What is left to print would fail again at exit.
            setattr(sys, name, open(os.devnull, "w"))
            is_read = False
    return is_read


def _show_warning(message, category, filename, lineno, file=None, line=None) -> None:
    """Prints a warning in one line, without the line of code that gave it."""
    if issubclass(category, UserWarning):
        print(f"mrcnn: warning: {one_line(message)}", file=sys.stderr)
