"""A transcript as the blocks of a web page: Markdown, code, diffs, and folded tool calls.

Everything here is somebody else's text on its way into a page of ours, so every function
returns markup that is made of escaped parts only. Nothing that it makes loads anything,
runs anything, or links anywhere but to the web and to mail addresses.

- :mod:`.blocks`: messages in order, each call with its result
- :mod:`.rich`: Markdown; :mod:`.code`: highlighting; :mod:`.changes`: edits as diffs
"""

from __future__ import annotations

from .blocks import Places, message_block, page_blocks
from .rich import rich

__all__ = ["Places", "message_block", "page_blocks", "rich"]
