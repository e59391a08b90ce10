"""What people and assistants write, which is Markdown, as HTML that can do no harm."""

from __future__ import annotations

import re
from collections.abc import MutableMapping, Sequence
from html import escape
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from markupsafe import Markup

from ..plain import visible
from .changes import diff_block
from .code import Budget, code_block

__all__ = ["rich"]

#: Longer text is shown as it is: it is pasted data, which only looks like Markdown.
_LONGEST = 100_000
#: Nested deeper than this, a list or quote is shown flat.
_DEEPEST = 20

_OUTWARD = re.compile(r"(?:https?://|mailto:)[^\s]+", re.IGNORECASE)

Env = MutableMapping[str, Any]


def rich(text: str, *, breaks: bool = False, budget: Budget | None = None) -> Markup:
    """``text`` as HTML. ``breaks`` keeps its line breaks, as people type them.

    HTML in it is shown as text; links lead to the web or to mail addresses or are text;
    images are links; headings move below those of the page.
    """
    text = visible(text)
    if len(text) > _LONGEST:
        return plain(text)
    try:
        html = (_BREAKING if breaks else _FLOWING).render(text, {"budget": budget or Budget()})
    except RecursionError:
        return plain(text)
    return Markup(html)


def plain(text: str) -> Markup:
    """``text`` as it is, with its line breaks."""
    return Markup('<div class="t-plain">{}</div>\n').format(visible(text))


class _Renderer(RendererHTML):
    """Markdown's own HTML, but for what leads out of the page."""

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        token = tokens[idx]
        language = token.info.split(maxsplit=1)[0] if token.info.split() else ""
        if language.lower() in ("diff", "patch"):
            return str(diff_block(token.content))
        return str(code_block(token.content, language, env["budget"]))

    def code_block(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        return str(code_block(tokens[idx].content))

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        token = tokens[idx]
        said = self.renderInlineAsText(token.children or [], options, env) or "image"
        address = str(token.attrGet("src") or "")
        # A link inside of a link would end the outer one.
        if env.get("inside_link"):
            return escape(f"[{said}]")
        return str(_LINK.format(address, f"[{said}]"))

    def link_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        env["inside_link"] = True
        token = tokens[idx]
        token.attrs = {"href": str(token.attrGet("href") or ""), "rel": _REL}
        return self.renderToken(tokens, idx, options, env)

    def link_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        env["inside_link"] = False
        return self.renderToken(tokens, idx, options, env)

    def heading_open(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env
    ) -> str:
        return f"<{_lower(tokens[idx].tag)}>"

    def heading_close(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env
    ) -> str:
        return f"</{_lower(tokens[idx].tag)}>\n"

    def table_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Env) -> str:
        return '<table class="t-table">\n'


_REL = "noopener noreferrer nofollow"
_LINK = Markup(f'<a href="{{}}" rel="{_REL}">{{}}</a>')


def _lower(tag: str) -> str:
    """The page's title and the speakers come before any heading of a message."""
    return f"h{min(int(tag[1:]) + 2, 6)}"


class _Parser(MarkdownIt):
    def validateLink(self, url: str) -> bool:
        """Whether an address may become a link: one that leads out, and runs nothing."""
        return bool(_OUTWARD.fullmatch(url))


def _parser(*, breaks: bool) -> MarkdownIt:
    options = {"html": False, "linkify": True, "breaks": breaks, "maxNesting": _DEEPEST}
    parser = _Parser("commonmark", options, renderer_cls=_Renderer)
    parser.enable(["table", "strikethrough", "linkify"])
    if parser.linkify is not None:
        # A file's name, README.md, is no address in Moldova.
        parser.linkify.set({"fuzzy_link": False, "fuzzy_email": False, "fuzzy_ip": False})
    return parser


_FLOWING, _BREAKING = _parser(breaks=False), _parser(breaks=True)
