"""An archive that shows everything that the pages can show, for tests that look at pages.

:func:`add_everything` puts seven conversations of one invented project into an archive:

- ``tides``: prompts, thinking, Markdown of every kind, a diff as an edit and as a patch, a
  tool that failed, output of 400 lines, an attachment, references of every type, tags,
  notes, tokens; with a ``subagent`` and a ``fork`` of it
- ``patch``: another source, ``apply_patch`` and a command that was refused
- ``long``: 300 short messages
- ``cjk``: Chinese, Japanese, Korean, and accents
- ``quiet``: no title, no repository, no model, no times
"""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

import sqlite_utils

from glin_datasette.models import Attachment, Conversation, Message, Ref
from glin_datasette.storage import (
    insert_conversation,
    insert_message,
    tag_conversation,
    tag_message,
)
from glin_datasette.storage.connection import transaction
from glin_datasette.tool_input import render_tool_input

REPO = "/home/robin/projects/heron"
FILE = "src/tides/table.py"
#: The names that :func:`add_everything` gives ids for.
NAMES = ("tides", "subagent", "fork", "patch", "long", "cjk", "quiet")

_PNG = b"\x89PNG\r\n\x1a\n"
COMMIT = "4f1c2ab9d0e37f5586a1"

_MARKDOWN = """\
## What goes wrong

The table is **sorted as text**, so `10:05` comes *before* `9:40`. ~~Padding~~ is no answer:

1. parse the times,
2. sort,
   - highest tide first,
   - then by place;
3. print.

> A tide table that is wrong is worse than none.

| place | high | low |
|:------|-----:|----:|
| Brest | 9:40 | 15:55 |
| Roscoff | 10:05 | 16:20 |

```python
def by_time(row: Row) -> int:
    hours, minutes = row.high.split(":")
    return int(hours) * 60 + int(minutes)  # minutes since midnight
```

```sql
select place, high from tides where day = :day order by high
```

```
no language, <b>no tags</b>
```

- [x] sorted
- [ ] tested, see [the almanac](https://example.com/almanac) and <https://example.org/>

---

Done with `src/tides/table.py`; ![a chart](https://example.com/chart.png)
"""

_PATCH = """\
*** Begin Patch
*** Update File: src/tides/table.py
@@ def table(rows):
-    return sorted(rows)
+    return sorted(rows, key=by_time)
*** Add File: tests/test_table.py
+def test_it_sorts_by_time():
+    assert table(["10:05", "9:40"]) == ["9:40", "10:05"]
*** End Patch"""

_DIFF = """\
diff --git a/src/tides/table.py b/src/tides/table.py
index 1111111..2222222 100644
--- a/src/tides/table.py
+++ b/src/tides/table.py
@@ -1,4 +1,5 @@
 import csv
+import sys

 def table(rows):
-    return sorted(rows)
+    return sorted(rows, key=by_time)
"""

_FAILED = """\
============ FAILURES ============
____ test_it_sorts_by_time ____

>       assert table(rows) == wanted
E       AssertionError: assert ['10:05', '9:40'] == ['9:40', '10:05']

tests/test_table.py:4: AssertionError
\x1b[31m1 failed\x1b[0m in 0.02s"""


def add_everything(db: sqlite_utils.Database) -> dict[str, int]:
    """Add the conversations; their ids by the names that are above."""
    with transaction(db):
        ids = {"tides": _tides(db)}
        ids["subagent"] = _beside(db, "subagent", "Look for other tables that are sorted as text")
        ids["fork"] = _beside(db, "fork", "And if the times were numbers?")
        ids["patch"] = _patch(db)
        ids["long"] = _long(db)
        ids["cjk"] = _cjk(db)
        ids["quiet"] = _quiet(db)
        for name, tag in (
            ("tides", "bug"), ("tides", "worth reading"), ("patch", "bug"), ("cjk", "翻译"),
        ):  # fmt: skip
            tag_conversation(db, ids[name], tag)
    return ids


def pages(ids: dict[str, int]) -> list[str]:
    """Addresses that show each page of the archive, and everything that is on it."""
    evil = quote("<script>window.evil=1</script>")
    return [
        "/-/glin",
        "/-/glin/search",
        "/-/glin/search?q=sorts+tag:bug&sort=newest",
        f"/-/glin/search?q={evil}+tag:{evil}",
        "/-/glin/search?q=sorst+kind:thinking",
        "/-/glin/conversations",
        "/-/glin/conversations?q=source:codex",
        "/-/glin/files",
        f"/-/glin/files?file={quote(FILE)}",
        "/-/glin/files?file=no.py",
        "/-/glin/commits",
        f"/-/glin/commits?commit={COMMIT[:7]}",
        "/-/glin/tags",
        "/-/glin/tags?tag=bug",
        "/-/glin/tags?tag=none",
        *(f"/-/glin/conversations/{ids[name]}" for name in ("tides", "subagent", "cjk", "quiet")),
        f"/-/glin/conversations/{ids['tides']}?q=tide",
        f"/-/glin/conversations/{ids['long']}?size=120&page=2",
        "/-/glin/messages/1",
        "/-/glin/health",
        "/-/glin/backups",
    ]


def _tides(db: sqlite_utils.Database) -> int:
    conversation = insert_conversation(
        db,
        Conversation(
            source="claude-code",
            source_id="b3f0a6d2-tides",
            title="The tide table sorts 10:05 before 9:40",
            client="claude-code/2.1.39",
            transport="cli",
            model="claude-opus-4-5",
            repo_root=REPO,
            git_branch="sort-by-time",
            notes="The key function is the answer; see the failing test first.",
        ),
    )
    said = [
        Message(
            role="user",
            content="The tide table sorts 10:05 before 9:40. Why, and how do we mend it?",
            attachments=(Attachment(media_type="image/png", name="table.png", data=_PNG),),
        ),
        Message(
            role="assistant",
            kind="thinking",
            content="The rows are strings. Sorting strings compares characters, so '1' < '9'.",
        ),
        Message(role="assistant", content=_MARKDOWN, token_in=8_400, token_out=512),
        _call("Read", "t1", file_path=f"{REPO}/{FILE}", refs=(Ref("file", FILE),)),
        _result("t1", "Read", "     1→import csv\n     2→\n     3→def table(rows):\n"),
        _call(
            "Edit",
            "t2",
            file_path=f"{REPO}/{FILE}",
            old_string="def table(rows):\n    return sorted(rows)\n",
            new_string="def table(rows):\n    return sorted(rows, key=by_time)\n",
            refs=(Ref("file", FILE),),
        ),
        _result("t2", "Edit", "The file has been updated."),
        _call("Bash", "t3", command="pytest -q tests/test_table.py", description="Run the test"),
        _result("t3", "Bash", _FAILED, is_error=True),
        _call("Bash", "t4", command="git diff"),
        _result("t4", "Bash", _DIFF),
        _call("Bash", "t5", command="python -m tides --year 2026"),
        _result(
            "t5",
            "Bash",
            "\n".join(f"{n:03} Brest {n % 24:02}:{n % 60:02} {n * 7 % 13}.4 m" for n in range(400)),
        ),
        _call("Bash", "t6", command='git commit -am "Sort by time"'),
        _result(
            "t6",
            "Bash",
            f"[sort-by-time {COMMIT[:7]}] Sort by time\n 1 file changed",
            refs=(Ref("commit", COMMIT[:7]),),
        ),
        Message(role="system", content="The conversation was compacted."),
        Message(
            role="user",
            content=f"Is {COMMIT} on main?\nAnd what does https://example.com/almanac say?",
            refs=(Ref("commit", COMMIT), Ref("url", "https://example.com/almanac")),
        ),
        Message(role="assistant", content="Not yet. The almanac agrees with the new order."),
    ]
    _say(db, conversation, "2026-02-11T09", said)
    first = db.execute(
        "select min(id) from messages where conversation_id = ?", [conversation]
    ).fetchone()[0]
    tag_message(db, first, "question")
    return conversation


def _beside(db: sqlite_utils.Database, relation: str, asked: str) -> int:
    conversation = insert_conversation(
        db,
        Conversation(
            source="claude-code",
            source_id=f"b3f0a6d2-{relation}",
            parent_source_id="b3f0a6d2-tides",
            relation=relation,  # type: ignore[arg-type]
            title=asked,
            model="claude-haiku-4-5",
            repo_root=REPO,
        ),
    )
    said = [
        Message(role="user", content=asked),
        _call("Grep", f"{relation}1", pattern=r"sorted\(", path="src"),
        _result(f"{relation}1", "Grep", f"{FILE}:4: return sorted(rows)"),
        Message(role="assistant", content="One: the table of moons."),
    ]
    _say(db, conversation, "2026-02-11T11", said)
    return conversation


def _patch(db: sqlite_utils.Database) -> int:
    conversation = insert_conversation(
        db,
        Conversation(
            source="codex",
            source_id="rollout-7",
            title="Sort the moons too",
            client="codex_cli_rs/0.46.0",
            model="gpt-5-codex",
            repo_root="/home/robin/projects/lantern",
            git_branch="main",
        ),
    )
    said = [
        Message(role="user", content="Do the same for the moons."),
        Message(
            role="assistant",
            kind="tool_call",
            tool_name="apply_patch",
            tool_call_id="p1",
            content=_PATCH,
            refs=(Ref("file", FILE), Ref("file", "tests/test_table.py")),
        ),
        _result("p1", "apply_patch", "Success. Updated the following files:\nM src/tides/table.py"),
        _call("shell", "p2", command=["bash", "-lc", "rm -rf build"]),
        _result("p2", "shell", "rejected by the user", is_error=True),
        Message(role="assistant", content="Sorted.", token_in=2_000, token_out=31),
    ]
    _say(db, conversation, "2026-01-20T16", said)
    return conversation


def _long(db: sqlite_utils.Database) -> int:
    conversation = insert_conversation(
        db,
        Conversation(
            source="chatgpt", source_id="long", title="A day at the harbour, hour by hour"
        ),
    )
    said = [
        Message(
            role="user" if n % 2 == 0 else "assistant",
            content=f"What of hour {n // 2}?" if n % 2 == 0 else f"Water at {n % 13} m.",
        )
        for n in range(300)
    ]
    _say(db, conversation, "2025-11-03T08", said)
    return conversation


def _cjk(db: sqlite_utils.Database) -> int:
    conversation = insert_conversation(
        db, Conversation(source="gemini", source_id="cjk", title="潮汐表の並べ替え · café à Brest")
    )
    said = [
        Message(role="user", content="潮汐表为什么排序错误。潮の表、조석표도."),
        Message(
            role="assistant", content="因为时间被当作文本比较。時刻を数値に直します。Voilà, déjà."
        ),
    ]
    _say(db, conversation, "2026-02-09T20", said)
    return conversation


def _quiet(db: sqlite_utils.Database) -> int:
    conversation = insert_conversation(db, Conversation(source="messages", source_id="quiet"))
    insert_message(db, conversation, Message(role="user", content="Hm."))
    return conversation


def _call(tool: str, call: str, *, refs: tuple[Ref, ...] = (), **given: object) -> Message:
    return Message(
        role="assistant",
        kind="tool_call",
        tool_name=tool,
        tool_call_id=call,
        content=render_tool_input(given),
        refs=refs,
    )


def _result(
    call: str, tool: str, content: str, *, is_error: bool = False, refs: tuple[Ref, ...] = ()
) -> Message:
    return Message(
        role="tool",
        kind="tool_result",
        tool_name=tool,
        tool_call_id=call,
        content=content,
        is_error=is_error,
        refs=refs,
    )


def _say(db: sqlite_utils.Database, conversation: int, hour: str, messages: list[Message]) -> None:
    for number, message in enumerate(messages):
        model = "claude-opus-4-5" if message.role == "assistant" else None
        stored = replace(
            message,
            ts=f"{hour}:{number // 60 % 60:02}:{number % 60:02}.000Z",
            source_id=f"m{number}",
            model=message.model or model,
        )
        insert_message(db, conversation, stored)
