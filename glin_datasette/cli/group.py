"""The command group: commands that are loaded when they are used, and the one place
where errors become a line on stderr and an exit status."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from ..errors import GlinError, UsageError
from .archive import archive_path

__all__ = ["INTERRUPTED", "READER_GONE", "LazyGroup"]

#: Exit statuses as shells report them for the signals INT and PIPE.
INTERRUPTED = 130
READER_GONE = 141


class LazyGroup(click.Group):
    """A group whose commands are imported only when one of them is used.

    ``lazy`` maps a command's name to ``module:attribute``, relative to this package, and
    the sentence that the group's own help shows for it.
    """

    def __init__(self, *args: Any, lazy: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.lazy:
            return None
        module, attribute = self.lazy[cmd_name][0].split(":")
        command: click.Command = getattr(import_module(f".{module}", __package__), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # click's own would load every command to ask for its help.
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self.lazy.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except GlinError as ex:
            raise (_Misuse if isinstance(ex, UsageError) else _Failure)(str(ex)) from None
        except sqlite3.Error as ex:
            raise _Failure(f"{archive_path()}: the archive cannot be used: {ex}") from None
        except BrokenPipeError:
            _discard_output()
            ctx.exit(READER_GONE)
        except OSError as ex:
            where = f"{ex.filename}: " if ex.filename else ""
            raise _Failure(f"{where}{ex.strerror or ex}") from None
        except KeyboardInterrupt:
            click.echo("Interrupted", err=True)
            ctx.exit(INTERRUPTED)


class _Failure(click.ClickException):
    """Shown as ``Error: …`` on one line."""

    exit_code = 1

    def __init__(self, message: str) -> None:
        # For a command that does not fail it would be one more thing to load.
        from ..render import one_line

        super().__init__(one_line(message))


class _Misuse(_Failure):
    exit_code = 2


def _discard_output() -> None:
    """Keep the interpreter from complaining, at its end, about what nobody will read."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
