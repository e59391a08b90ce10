"""``token create``, ``token list`` and ``token revoke``."""

from __future__ import annotations

from typing import Any

import click

from ..access import tokens
from .command import JSON, command
from .output import echo_json, short_time, table


@click.group()
def token() -> None:
    """Make and revoke tokens, with which scripts ask a server.

    They are kept in tokens.json in the data folder, and hold for every server of yours.
    """


@command(
    "create",
    "glin-datasette token create",
    "glin-datasette token create --name nightly --allow backup --expires-days 90",
)
@click.option("--name", metavar="NAME", help="What it is for; the actor is token:NAME.")
@click.option(
    "--allow",
    "scopes",
    type=click.Choice(tokens.SCOPES),
    multiple=True,
    help="Besides reading, which every token may.",
)
@click.option(
    "--expires-days", "days", metavar="DAYS", type=int, help="By default it never expires."
)
def create(name: str | None, scopes: tuple[str, ...], days: int | None) -> None:
    """Make a token and print it.

    It is printed this once; what is kept is its hash. Send it as the header
    "Authorization: Bearer TOKEN".
    """
    made, secret = tokens.create_token(name, scopes, days)
    until = f", until {short_time(made.expires_at)}" if made.expires_at else ""
    click.echo(
        f"Made the token {made.id}, named {made.name}, that allows {', '.join(made.scopes)}"
        f"{until}. Keep it: it is not shown again.",
        err=True,
    )
    click.echo(secret)


@command("list", "glin-datasette token list", "glin-datasette token list --json")
@JSON
def list_(as_json: bool) -> None:
    """List the tokens that were not revoked.

    With --json: tokens (id, name, scopes, created_at, expires_at, expired).
    """
    found = tokens.list_tokens()
    if as_json:
        echo_json({"tokens": [_told(each) for each in found]})
    elif found:
        rows = [
            (
                each.id,
                each.name,
                ", ".join(each.scopes),
                short_time(each.created_at),
                "expired" if each.expired else short_time(each.expires_at) or "never",
            )
            for each in found
        ]
        table(("ID", "NAME", "ALLOWS", "MADE", "EXPIRES"), rows)
    else:
        click.echo("No tokens.")


@command("revoke", "glin-datasette token revoke 1a2b3c4d", "glin-datasette token revoke nightly")
@click.argument("wanted", metavar="ID")
def revoke(wanted: str) -> None:
    """Revoke the token ID, which may be its name too.

    Servers that run refuse it from the next request on.
    """
    gone = tokens.revoke_token(wanted)
    click.echo(f"Revoked the token {gone.id}, named {gone.name}")


for _command in (create, list_, revoke):
    token.add_command(_command)


def _told(each: tokens.Token) -> dict[str, Any]:
    return {
        "id": each.id,
        "name": each.name,
        "scopes": list(each.scopes),
        "created_at": each.created_at,
        "expires_at": each.expires_at,
        "expired": each.expired,
    }
