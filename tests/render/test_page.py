"""What a transcript says, as HTML: how it looks, and that it can do nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from glin_datasette.models import KINDS, ROLES, Attachment, Message
from glin_datasette.render.page import Places, message_block, page_blocks, rich
from glin_datasette.render.page.changes import diff_block
from glin_datasette.render.page.code import Budget, code_block, language_of
from glin_datasette.tool_input import render_tool_input

PLACES = Places(
    message=lambda message: f"/m/{message}",
    here=lambda message: f"/c#message-{message}",
    tag=lambda tag: f"/t?{tag}",
    image=lambda attachment: f"/a/{attachment.sha256}" if attachment.sha256 else None,
    time=lambda ts: Markup("<time>{}</time>").format(ts or ""),
    hits=(2, 5),
    hit_of=lambda message: f"/c?at={message}",
)

#: Elements without an end.
VOID = {"br", "hr", "img"}
ALLOWED = VOID | {
    "a", "article", "b", "blockquote", "code", "details", "div", "em", "h2", "h3", "h4", "h5",
    "h6", "li", "ol", "p", "pre", "s", "section", "span", "strong", "summary", "table", "tbody",
    "td", "th", "thead", "time", "tr", "ul",
}  # fmt: skip


class _Sound(HTMLParser):
    """Reads HTML as a browser does, and notes what should not be in ours."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ALLOWED:
            self.wrong.append(f"<{tag}>")
        for name, value in attrs:
            if name.startswith("on") or name in ("style", "srcdoc"):
                self.wrong.append(name)
            if name in ("href", "src") and not re.match(r"https?://|mailto:|/|#", value or ""):
                self.wrong.append(f"{name}={value}")
            if name == "src" and not (value or "").startswith("/"):
                self.wrong.append(f"loads {value}")
        if tag not in VOID:
            self.open.append(tag)

    handle_startendtag = handle_starttag

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}>")

    def handle_comment(self, data: str) -> None:
        self.wrong.append(f"<!--{data}")

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def text_of(html: str) -> str:
    """What a reader sees of HTML that is sound."""
    parser = _Sound()
    parser.feed(html)
    parser.close()
    assert (parser.wrong, parser.open) == ([], []), html
    return "".join(parser.text)


PIECES = [
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "[a](javascript:alert(1))",
    "[a](https://example.com)", "![a](https://example.com/a.png)", "[![a](http://b/c)](http://d)",
    "https://example.com/<b>", "<javascript:alert(1)>", "[x]: data:text/html,<b>", "[x]",
    "```html\n<b>\n```", "```diff\n+a\n-b\n```", "```\n", "~~~", "> ", "- ", "1. ", "# ", "\n",
    "\n\n",
    "    ", "|a|b|\n|-|-|\n|<i>|c|\n", "**", "~~", "`", "\x1b[31m", "\u202e", "\x00", "&lt;", "\\",
    "\r\n", "<!--", "]]>", "mailto:a@example.com", "[a](//example.com)", "[a](/etc)",
]  # fmt: skip
ANY = st.lists(st.sampled_from(PIECES) | st.text(max_size=20), max_size=12).map("".join)


@given(ANY, st.booleans())
@settings(max_examples=400, deadline=None)
@example("[![a](http://b/c)](http://d)", False)
def test_any_markdown_is_sound(text: str, breaks: bool) -> None:
    text_of(rich(text, breaks=breaks))


MESSAGES = st.builds(
    Message,
    id=st.integers(1, 6),
    role=st.sampled_from(ROLES),
    kind=st.sampled_from(KINDS),
    content=ANY
    | st.fixed_dictionaries({"old_string": ANY, "new_string": ANY}).map(render_tool_input)
    | st.fixed_dictionaries({"path": ANY, "content": ANY}).map(render_tool_input),
    tool_name=st.none() | ANY,
    tool_call_id=st.none() | st.sampled_from("ab"),
    model=st.none() | ANY,
    ts=st.none() | ANY,
    is_error=st.booleans(),
    tags=st.lists(ANY, max_size=1).map(tuple),
    attachments=st.lists(
        st.builds(Attachment, media_type=ANY, name=ANY, sha256=st.sampled_from([None, "ab"])),
        max_size=1,
    ).map(tuple),
)  # fmt: skip


@given(st.lists(MESSAGES, max_size=6))
@settings(max_examples=200, deadline=None)
def test_any_messages_are_sound(messages: list[Message]) -> None:
    text_of("".join(page_blocks(messages, PLACES)))
    for message in messages:
        text_of(message_block(message, PLACES))


@pytest.mark.parametrize(
    "text",
    ["[" * 20_000, "> " * 20_000, "- " * 10_000, "`" * 20_000, "*a" * 10_000, "|a" * 10_000,
     "](" * 10_000, "<" * 50_000, "http://" * 5_000, "a@" * 10_000, "![" * 10_000, "&" * 50_000,
     "**a " * 10_000, "_a" * 20_000, "\n>" * 5_000, "x" * 5_000_000],
    ids=lambda text: f"{text[:7]!r}",
)  # fmt: skip
def test_no_text_takes_for_ever(text: str) -> None:
    text_of(rich(text))


def test_markdown_looks_as_it_should() -> None:
    html = rich("# Title\n\nSee `README.md`, *this* and https://example.com/a_b.\n\n- one\n")
    assert "<h3>Title</h3>" in html
    assert "<code>README.md</code>" in html
    assert '<a href="https://example.com/a_b" rel="noopener noreferrer nofollow">' in html
    assert "<li>one</li>" in html
    # A file is no host, and its name no link.
    assert "<a" not in rich("read README.md and main.py")


def test_only_what_leads_to_the_web_is_a_link() -> None:
    assert "<a" not in rich("[a](javascript:alert(1)) [b](src/a.py) [c](//example.com) <file:///a>")
    assert rich("![plan](https://example.com/p.png)").count("<a ") == 1
    assert "<img" not in rich("![plan](https://example.com/p.png)")


def test_people_break_lines_and_assistants_wrap_them() -> None:
    assert "<br" in rich("one\ntwo", breaks=True)
    assert "<br" not in rich("one\ntwo")


def test_code_is_highlighted_in_a_language_that_is_known() -> None:
    assert '<span class="h-k">def</span>' in rich("```python\ndef f(): pass\n```")
    assert "<span" not in rich("```unheard-of\ndef f(): pass\n```")
    assert "<span" not in rich("```\ndef f(): pass\n```")
    assert language_of("src/app.test.tsx") == "tsx"
    assert language_of("no-ending") == ""


def test_a_page_highlights_no_more_than_it_has_time_for() -> None:
    budget = Budget()
    shown = [code_block("x = 1\n" * 3000, "python", budget) for _ in range(12)]
    assert "<span" in shown[0]
    assert "<span" not in shown[-1]
    assert text_of(shown[0]) == text_of(shown[-1])


def lines(html: str) -> list[tuple[str, str]]:
    return re.findall(r'<span class="t-(\w+)">([^<]*)</span>', html)


def test_an_edit_is_a_diff() -> None:
    content = render_tool_input(
        {"file_path": "a.py", "old_string": "a = 1\nb = 2\n", "new_string": "a = 1\nb = <3>\n"}
    )
    [block] = page_blocks(
        [Message(id=1, role="assistant", kind="tool_call", tool_name="Edit", content=content)],
        PLACES,
    )
    assert lines(block) == [("del", "-b = 2"), ("add", "+b = &lt;3&gt;")]
    assert "a.py" in text_of(block)


def call(content: str) -> Message:
    return Message(role="assistant", kind="tool_call", content=content)


def test_a_patch_and_several_edits_are_diffs() -> None:
    patch = "*** Begin Patch\n*** Update File: a.py\n@@\n-old\n+new\n*** End Patch"
    for content in (patch, render_tool_input({"input": patch})):
        [block] = page_blocks(
            [Message(role="assistant", kind="tool_call", content=content)], PLACES
        )
        assert ("del", "-old") in lines(block) and ("add", "+new") in lines(block)
    edits = [{"old_string": "x", "new_string": "y"}, {"old_string": "p", "new_string": "q"}]
    content = render_tool_input({"file_path": "a.py", "edits": edits})
    [block] = page_blocks([call(content)], PLACES)
    assert [kind for kind, _ in lines(block)] == ["del", "add", "del", "add"]
    assert text_of(diff_block("+a\n-b\n c\n")) == "+a\n-b\n c\n"


def talk() -> Iterator[Message]:
    yield Message(id=1, role="user", content="Run the tests")
    yield Message(id=2, role="assistant", kind="thinking", content="which ones?\nall")
    yield Message(
        id=3, role="assistant", kind="tool_call", tool_name="Bash", tool_call_id="c",
        content="command: pytest -q",
    )  # fmt: skip
    yield Message(
        id=4, role="tool", kind="tool_result", tool_name="Bash", tool_call_id="c", is_error=True,
        content="\n".join(f"line {i}" for i in range(500)),
    )  # fmt: skip
    yield Message(id=5, role="assistant", content="It **failed**.")


def test_turns_calls_and_results() -> None:
    html = "".join(page_blocks(list(talk()), PLACES))
    text = text_of(html)
    assert re.findall(r"<h2>(\w+)</h2>", html) == ["You", "Assistant"]
    assert html.count("<details") == 2, "a thought, and a call with its result"
    assert "Bash pytest -q (failed, 500 lines of output)" in text
    assert "line 39" in text and "line 41" not in text
    assert '<a href="/m/4">Show all 500 lines</a>' in html
    assert {f'id="message-{i}"' for i in range(1, 6)} <= set(re.findall(r'id="message-\d+"', html))
    assert "<strong>failed</strong>" in html


def test_hits_are_numbered_open_and_lead_to_each_other() -> None:
    html = "".join(page_blocks(list(talk()), PLACES))
    assert "Hit 1 of 2" in html and "Hit 2 of 2" in html
    assert '<a rel="next" href="/c?at=5">' in html and '<a rel="prev" href="/c?at=2">' in html
    assert html.count("<details open>") == 1


def test_a_message_alone_is_whole() -> None:
    [result] = [message for message in talk() if message.id == 4]
    html = message_block(result, PLACES)
    assert "line 499" in html and "<details" not in html and "Show all" not in html
