"""Transcripts as Markdown, HTML and JSON, with hostile content among them."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from itertools import count

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from glin_datasette.models import KINDS, ROLES, Conversation, Message, Ref
from glin_datasette.render import (
    one_line,
    render_html,
    render_json,
    render_markdown,
    shorten,
    visible,
)

CONVERSATION = Conversation(
    id=7,
    source="claude-code",
    source_id="abc",
    title="Fix the parser",
    started_at="2026-02-11T05:53:33.335Z",
    ended_at="2026-02-11T06:00:00.000Z",
    repo_root="/home/ada/parser",
    tags=("bug", "urgent"),
)
TALK = [
    Message(role="user", content="Why does it fail?", ts="2026-02-11T05:53:33.335Z"),
    Message(role="assistant", kind="thinking", content="Let me see.\nMaybe git."),
    Message(
        role="assistant",
        kind="tool_call",
        tool_name="Bash",
        tool_call_id="t1",
        content="description: Look around\ncommand: git status",
    ),
    Message(
        role="tool",
        kind="tool_result",
        tool_name="Bash",
        tool_call_id="t1",
        content="\n".join(f"line {n}" for n in range(12)),
    ),
    Message(role="assistant", content="Because of `Vec<String>` and\n\n```\n<b>\n```"),
]

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
#: Pieces that mean something to Markdown, HTML or a terminal, in any order.
HOSTILE = st.lists(
    st.sampled_from(
        [
            "```", "````", "~~~", "`", "\\", "\n", "\n\n", " ", "    ", "  ", "\t", "- ", "1. ",
            "> ", "# ", "## User", "---", "===", "|", "<script>alert(1)</script>", "<img src=x>",
            "<b", ">", "</pre>", "</style>", "&lt;", "&#60;", "![", "[x]", "(", ")", "]",
            "](javascript:alert(1))", "[a](https://example.com)", "[x]: javascript:alert(1)",
            "]:", "javascript:alert(1)", "<javascript:x>", "data:text/html,x", "word", "\r",
            "\x1b[2J", "\x00", "\u202e", "\u2028", "x\n---", '"', "'", "https://example.com/\"onload=",
        ]
    ),
    max_size=25,
).map("".join)  # fmt: skip
ANY_TEXT = HOSTILE | TEXT
MESSAGES = st.lists(
    st.builds(
        Message,
        role=st.sampled_from(ROLES),
        kind=st.sampled_from(KINDS),
        content=ANY_TEXT,
        ts=st.none() | ANY_TEXT,
        tool_name=st.none() | ANY_TEXT,
        tool_call_id=st.none() | st.sampled_from(["a", "b"]),
        is_error=st.booleans(),
        tags=st.lists(ANY_TEXT, max_size=2).map(tuple),
    ),
    max_size=6,
)
CONVERSATIONS = st.builds(
    Conversation,
    source=ANY_TEXT,
    source_id=ANY_TEXT,
    title=st.none() | ANY_TEXT,
    repo_root=st.none() | ANY_TEXT,
    notes=st.none() | ANY_TEXT,
)


def markdown(*messages: Message, full: bool = False) -> str:
    return "".join(render_markdown(CONVERSATION, messages, full=full))


def test_markdown_folds_tools_and_thoughts_to_one_line_each() -> None:
    text = markdown(*TALK)
    assert text.startswith("# Fix the parser\n\n- Source: claude-code abc\n- Archive id: 7\n")
    assert "- Tags: bug, urgent\n" in text
    assert "\n## User · 2026-02-11T05:53:33.335Z\n\nWhy does it fail?\n" in text
    assert "\n> Thinking (2 lines)\n\n> Bash: git status (12 lines of output)\n" in text
    assert "line 3" not in text


def test_markdown_shows_everything_when_asked() -> None:
    text = markdown(*TALK, full=True)
    assert "**Call of Bash**\n\n```\ndescription: Look around\ncommand: git status\n```\n" in text
    assert "**Result of Bash**\n\n```\nline 0\n" in text
    assert "Let me see.\nMaybe git.\n" in text


def test_markdown_keeps_code_as_it_was_written() -> None:
    text = markdown(*TALK)
    assert "`Vec<String>`" in text
    assert "```\n<b>\n```" in text


def test_fences_are_longer_than_any_in_what_they_hold() -> None:
    result = Message(role="tool", kind="tool_result", content="a\n`````\nb", tool_name="Read")
    assert "\n``````\na\n`````\nb\n``````\n" in markdown(result, full=True)


def test_one_heading_a_turn() -> None:
    headings = [line for line in markdown(*TALK).split("\n") if line.startswith("## ")]
    assert headings == ["## User · 2026-02-11T05:53:33.335Z", "## Assistant"]


def test_parallel_calls_find_their_own_results() -> None:
    def call(name: str) -> Message:
        return Message(role="assistant", kind="tool_call", tool_name=name, tool_call_id=name)

    def result(name: str, lines: int, *, is_error: bool = False) -> Message:
        return Message(
            role="tool",
            kind="tool_result",
            tool_call_id=name,
            content="x\n" * lines,
            is_error=is_error,
        )

    text = markdown(
        call("A"), call("B"), call("C"), result("B", 1), result("A", 2, is_error=True), TALK[0],
        result("C", 3),
    )  # fmt: skip
    lines = [line for line in text.split("\n") if line.startswith("> ")]
    assert lines == [
        "> B (1 line of output)",
        "> A (failed, 2 lines of output)",
        "> C",
        "> Result of a tool (3 lines of output)",
    ]


def test_a_call_is_told_by_its_most_telling_input() -> None:
    call = Message(role="assistant", kind="tool_call", tool_name="Edit", content=(
        "old: x\nfile_path: src/a.py\nnew: |\n  command: no\n"
    ))  # fmt: skip
    assert "> Edit: src/a.py\n" in markdown(call)
    script = replace(call, content="command: |\n  make\n  make test")
    assert "> Edit: make\n" in markdown(script)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("<script>x</script>", "&lt;script>x&lt;/script>"),
        ("![t](https://example.com/t.png)", "&#33;[t](https://example.com/t.png)"),
        ("[x](javascript:a())", "[x]&#40;javascript:a())"),
        ("[x](src/a.py#L3)", "[x](src/a.py#L3)"),
        ("# Mine", "### Mine"),
        ("User\n---\nx", "User\n\\---\nx"),
        ("text\n\n---\n\nx", "text\n\n---\n\nx"),
        ("```\nopen", "```\nopen\n```"),
        ("a < b && c > d", "a < b && c > d"),
    ],
)
def test_markdown_of_others_is_disarmed_and_otherwise_kept(said: str, shown: str) -> None:
    assert markdown(Message(role="assistant", content=said)).endswith(f"\n\n{shown}\n")


@settings(deadline=None)
@given(CONVERSATIONS, MESSAGES, st.booleans())
@example(
    CONVERSATION,
    [Message(role="user", content="  ~~~\n```\n  ~~~\n<script>x</script>")],
    False,
)
@example(CONVERSATION, [Message(role="user", content="- a\n  ```\n<b>x</b>\n```")], False)
@example(CONVERSATION, [Message(role="user", content="|a|b|\n|-|-|\n| `x | <img> ` |")], False)
@example(CONVERSATION, [Message(role="user", content="\\\\<b>x</b>")], True)
def test_markdown_brings_nothing_to_life(
    conversation: Conversation, messages: list[Message], full: bool
) -> None:
    text = "".join(render_markdown(conversation, messages, full=full))
    # A reader that lets HTML and every scheme through: nothing may rely on its filters.
    reader = MarkdownIt("commonmark", {"html": True}).enable("table")
    reader.validateLink = lambda url: True  # type: ignore[method-assign]
    tokens = reader.parse(text)
    headings = [t.tag for t in tokens if t.type == "heading_open" and t.level == 0]
    # Without what was said there is nothing that could forge a heading.
    silent = [replace(message, content="") for message in messages]
    turns = "".join(render_markdown(CONVERSATION, silent, full=full)).count("\n## ")
    assert [tag for tag in headings if tag in ("h1", "h2")] == ["h1", *["h2"] * turns]
    for token in [*tokens, *(child for t in tokens for child in t.children or ())]:
        assert token.type not in ("html_block", "html_inline", "image")
        if token.type == "link_open":
            target = str(token.attrs["href"])
            assert target.startswith(("http://", "https://", "mailto:")) or ":" not in target
    assert_visible(text)


class _Page(HTMLParser):
    """Collects what a browser would make of a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


OUR_TAGS = {
    "html", "head", "meta", "title", "style", "body", "h1", "h2", "dl", "dt", "dd", "time", "div",
    "p", "details", "summary", "pre", "a",
}  # fmt: skip


@settings(deadline=None)
@given(CONVERSATIONS, MESSAGES, st.booleans())
def test_html_brings_nothing_to_life(
    conversation: Conversation, messages: list[Message], full: bool
) -> None:
    text = "".join(render_html(conversation, messages, full=full))
    page = _Page()
    page.feed(text)
    page.close()
    for tag, attributes in page.tags:
        assert tag in OUR_TAGS
        assert not [name for name in attributes if name.startswith("on") or name == "src"]
        if tag == "a":
            assert str(attributes["href"]).lower().startswith(("http://", "https://", "mailto:"))
    assert [tag for tag, _ in page.tags].count("style") == 1
    for message in messages:
        assert visible(message.content) in "".join(page.text)
    assert_visible(text)


def assert_visible(text: str) -> None:
    acting = [c for c in text if (ord(c) < 32 and c not in "\n\t") or 0x7F <= ord(c) < 0xA0]
    assert not acting
    assert "\u202e" not in text


def test_html_links_addresses_of_the_web_and_nothing_else() -> None:
    content = "see https://example.com/a?b=1&c=2, (http://example.org) or javascript:alert(1)"
    text = "".join(render_html(CONVERSATION, [Message(role="user", content=content)]))
    page = _Page()
    page.feed(text)
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert links == ["https://example.com/a?b=1&c=2", "http://example.org"]


def test_html_folds_with_details_and_opens_them_when_asked() -> None:
    folded = "".join(render_html(CONVERSATION, TALK))
    unfolded = "".join(render_html(CONVERSATION, TALK, full=True))
    assert folded.count("<details>") == 3
    assert unfolded.count("<details open>") == 3
    assert "<summary>Bash: git status</summary>" in folded
    assert "Content-Security-Policy" in folded


@settings(deadline=None)
@given(CONVERSATIONS, MESSAGES)
def test_json_is_one_document_that_holds_every_field(
    conversation: Conversation, messages: list[Message]
) -> None:
    document = json.loads("".join(render_json(conversation, messages)))
    assert document["conversation"]["title"] == conversation.title
    assert [m["content"] for m in document["messages"]] == [m.content for m in messages]


def test_json_has_the_documented_fields_in_order() -> None:
    message = Message(role="user", content="é", refs=(Ref("file", "a.py"),), tags=("t",))
    text = "".join(render_json(CONVERSATION, [message]))
    assert "é" in text
    document = json.loads(text)
    assert list(document) == ["conversation", "messages"]
    assert list(document["conversation"]) == [
        "source", "source_id", "id", "parent_id", "parent_source_id", "relation", "title",
        "title_from", "started_at", "ended_at", "client", "transport", "model", "repo_root",
        "git_branch", "notes", "tags",
    ]  # fmt: skip
    assert list(document["messages"][0]) == [
        "role", "kind", "content", "id", "conversation_id", "position", "ts", "model", "token_in",
        "token_out", "token_cached", "tool_name", "tool_call_id", "is_error", "source_id", "refs",
        "tags", "attachments",
    ]  # fmt: skip
    assert document["messages"][0]["refs"] == [{"type": "file", "value": "a.py"}]


def test_rendering_streams() -> None:
    """The first pieces come before the last message was read."""
    seen = count()
    endless = (Message(role="user", content="x" * next(seen)) for _ in iter(int, 1))
    for render in (render_html, render_json, render_markdown):
        pieces = render(CONVERSATION, endless)
        assert len([next(pieces) for _ in range(50)]) == 50


def test_shorten_cuts_to_the_width() -> None:
    assert shorten("a\n b\tc", 10) == "a b c"
    assert shorten("abcdefghij", 5) == "abcd…"
    assert one_line("\x1b[31mred") == "␛[31mred"
