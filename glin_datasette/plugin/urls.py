"""The addresses of this plugin's pages, for one archive.

Everything that links to a page, a cell of a table as well as a template, asks here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from ..language import quote
from .archives import attached
from .guard import ROOT

if TYPE_CHECKING:
    from datasette.app import Datasette


class Urls:
    """Makes addresses for the archive that is attached as ``database``.

    They name the archive only where it is not the first: there is seldom more than one.
    """

    def __init__(self, datasette: Datasette, database: str) -> None:
        self._datasette = datasette
        self._database = database
        known = attached(datasette)
        self._named = next(iter(known.archives), None) != database

    def page(self, path: str = "", **arguments: object) -> str:
        """``/-/glin/PATH``; arguments that are ``None`` or empty are left out.

        >>> urls.page("search.json", q="retry", size=20)
        '/-/glin/search.json?q=retry&size=20'
        """
        given = {key: value for key, value in arguments.items() if value not in (None, "", ())}
        if self._named:
            given["db"] = self._database
        address = str(self._datasette.urls.path(f"{ROOT}/{path}" if path else ROOT))
        return f"{address}?{urlencode(given, doseq=True)}" if given else address

    def front(self) -> str:
        """The front door."""
        return self.page()

    def search(self, q: str = "", **arguments: object) -> str:
        """What a query finds."""
        return self.page("search", q=q, **arguments)

    def conversations(self, q: str = "", **arguments: object) -> str:
        """The conversations that a query is about, newest first."""
        return self.page("conversations", q=q, **arguments)

    def conversation(
        self, conversation_id: int, *, message: int | None = None, **arguments: object
    ) -> str:
        """A transcript, at one of its messages if ``message`` names it."""
        anchor = f"#message-{message}" if message is not None else ""
        return self.page(f"conversations/{conversation_id}", at=message, **arguments) + anchor

    def message(self, message_id: int) -> str:
        """One message, whole."""
        return self.page(f"messages/{message_id}")

    def file(self, path: str) -> str:
        """The messages that are about a file."""
        return self.page("files", file=path)

    def commit(self, digits: str) -> str:
        """The messages that are about a commit."""
        return self.page("commits", commit=digits)

    def tag(self, name: str) -> str:
        """What has a tag."""
        return self.page("tags", tag=name)

    def filtered(self, operator: str, value: str) -> str:
        """A search for everything with one property: ``filtered("repo", "/home/dev/app")``."""
        return self.search(f"{operator}:{quote(value)}")
