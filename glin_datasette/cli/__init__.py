"""The command line: ``glin-datasette …``, and ``datasette glin …`` through the plugin.

A command parses, calls one function of the layers below, and prints. What each needs is
imported when it is run, so that ``--help`` and ``--version`` answer at once.
"""

from __future__ import annotations

import sys

import click

from .. import __version__
from .archive import archive_options, verbose_option
from .group import LazyGroup

__all__ = ["main"]

_COMMANDS = {
    "init": ("init:init", "Make the archive, or bring it up to date."),
    "import": ("importing:import_", "Import transcripts into the archive."),
    "search": ("searching:search", "Find messages."),
    "list": ("listing:list_", "List conversations, the newest first."),
    "show": ("show:show", "Show a conversation."),
    "tag": ("tag:tag", "Tag conversations and messages."),
    "note": ("note:note", "Show or write the notes on a conversation."),
    "stats": ("stats:stats", "Count what the archive holds."),
    "query": ("query:query", "Run one of the canned queries."),
    "serve": ("serve:serve", "Browse the archive in Datasette."),
    "token": ("token:token", "Make and revoke tokens, with which scripts ask a server."),
    "export": ("export:export", "Write conversations as JSON Lines, for import elsewhere."),
    "backup": ("backup:backup", "Make a backup of the archive."),
    "verify": ("backup:verify", "Read backups back, all of each."),
    "restore": ("backup:restore", "Put a backup in the place of the archive."),
    "replicate": (
        "replicate:replicate",
        "Replicate the archive to TARGET all the time, with Litestream.",
    ),
    "check": ("check:check", "Check the archive's health."),
    "recover": ("recover:recover", "Salvage what can be read of a damaged archive into a new one."),
    "migrate": ("migrate:migrate", "Bring the archive's schema up to date."),
    "compact": ("compact:compact", "Give back what deletes freed."),
    "delete": ("delete:delete", "Delete conversations."),
}


@click.group(cls=LazyGroup, lazy=_COMMANDS)
@archive_options
@verbose_option("-v")
@click.version_option(__version__, prog_name="glin-datasette")
def main() -> None:
    """A local, private archive of your conversations with AI assistants.

    The archive is the file that --db names, else glin.db in the folder $GLIN_DATA_DIR,
    else in your user data folder. The first command that needs it makes it.

    Exit status: 0 done, 1 failed or damage found, 2 wrong usage.
    """
    # A title in any script can be printed on any terminal, if not always well.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
