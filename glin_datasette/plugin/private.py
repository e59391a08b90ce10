"""``private: true`` in this plugin's configuration: nothing for those who are not signed in.

It holds for the whole of Datasette, other databases too. A veto: no rule of anybody else's,
for a table or a query, opens what it closes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import UsageError
from .compat import PLUGIN, Actor

if TYPE_CHECKING:
    from datasette.app import Datasette


def is_private(datasette: Datasette) -> bool:
    """Whether the configuration says so.

    :raises UsageError: if it says neither yes nor no
    """
    said = (datasette.plugin_config(PLUGIN) or {}).get("private", False)
    if not isinstance(said, bool):
        raise UsageError(f"plugins: {PLUGIN}: private: must be true or false")
    return said


def closed(datasette: Datasette, actor: Actor) -> bool:
    """Whether ``actor`` may do nothing at all. Signing in takes no permission, and neither
    do stylesheets."""
    if actor:
        return False
    try:
        return is_private(datasette)
    except UsageError:
        # The start has said so; whoever wrote something there did not want all to be open.
        return True
