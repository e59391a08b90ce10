"""One conversation as it is read: facts, titles, pairs and references."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from glin_datasette.importers.base import Item, Said
from glin_datasette.importers.session import Session, attachment_note, base64_size
from glin_datasette.models import Attachment, Conversation, Message, Ref


def said(items: list[Item]) -> Message:
    (message,) = [item.message for item in items if isinstance(item, Said)]
    return message


def told(items: list[Item]) -> list[Conversation]:
    return [item for item in items if isinstance(item, Conversation)]


def test_a_conversation_is_told_before_its_messages_and_when_more_is_known() -> None:
    session = Session("test", "s1", cwd="/src/tide")
    assert list(session.finish()) == []
    first = list(session.say("user", "text", "Why?\nmore", id="a"))
    assert [type(item).__name__ for item in first] == ["Conversation", "Said"]
    assert (told(first)[0].title, told(first)[0].title_from) == ("Why?", "prompt")
    assert told(first)[0].repo_root == "/src/tide"
    second = list(session.say("assistant", "text", "So.", id="b"))
    assert told(second) == []
    session.note(client="t/1", model="m", git_branch=None)
    third = list(session.say("assistant", "text", "So!", id="c"))
    assert told(third)[0].client == "t/1"
    assert said(third).model == "m"
    session.entitle("The reason", "custom")
    session.entitle("Another", "prompt")
    assert [each.title for each in told(list(session.finish()))] == ["The reason"]


def test_blank_text_is_no_message_and_a_blank_result_is() -> None:
    session = Session("test", "s1")
    assert list(session.say("user", "text", " \n\x00", id="a")) == []
    assert list(session.finish()) == []
    assert said(list(session.say("tool", "tool_result", "", id="b"))).content == ""


def test_messages_keep_their_order_whatever_their_times() -> None:
    session = Session("test", "s1")
    times = ["2026-01-01T00:00:02.000Z", None, "2026-01-01T00:00:01.000Z"]
    messages = [said(list(session.say("user", "text", "x", id=str(t), ts=t))) for t in times]
    assert [m.ts for m in messages] == times
    assert [m.sort_ts or m.ts for m in messages] == [times[0]] * 3


def test_calls_and_results_are_paired_and_commits_found_in_what_git_printed() -> None:
    session = Session("test", "s1", cwd="/src/tide")
    call = said(
        list(
            session.say(
                "assistant",
                "tool_call",
                id="a",
                tool_name="shell",
                tool_call_id="c1",
                tool_input={"command": ["bash", "-lc", "git log --oneline"]},
            )
        )
    )
    assert call.content == 'command: ["bash","-lc","git log --oneline"]'
    result = said(
        list(session.say("tool", "tool_result", "1a2b3c4 Fix it", id="b", tool_call_id="c1"))
    )
    assert (result.tool_name, result.refs) == ("shell", (Ref("commit", "1a2b3c4"),))


@pytest.mark.parametrize(
    ("tool_input", "files"),
    [
        ({"file_path": "/src/tide/a.py"}, ["a.py"]),
        ({"filePath": "b/c.py"}, ["b/c.py"]),
        ({"target_file": "/etc/hosts"}, ["/etc/hosts"]),
        ({"path": "d.py"}, ["d.py"]),
        ({"patch": "*** Update File: e.py\n*** Add File: f/g.py\n"}, ["e.py", "f/g.py"]),
        ("*** Begin Patch\n*** Delete File: h.py\n*** Move to: i.py\n", ["h.py", "i.py"]),
        ({"command": ["apply_patch", "*** Update File: j.py"]}, ["j.py"]),
        ({"file_path": 7, "path": ["x"]}, []),
        ([1, 2], []),
    ],
)  # fmt: skip
def test_files_of_a_call(tool_input: object, files: list[str]) -> None:
    session = Session("test", "s1", cwd="/src/tide")
    message = said(
        list(
            session.say(
                "assistant", "tool_call", id="a", tool_name="read_file", tool_input=tool_input
            )
        )
    )
    assert [ref.value for ref in message.refs] == files


def test_attachments_are_noted_in_the_text() -> None:
    picture = Attachment(media_type="image/png", size=12_300, name="chart.png", data="QUJD")
    message = said(
        list(Session("t", "s").say("user", "text", "Look", id="a", attachments=[picture]))
    )
    assert message.content == "Look\n[image/png, 12.3 KB, chart.png]"
    assert message.attachments == (picture,)
    assert attachment_note(Attachment(media_type="text/plain")) == "[text/plain]"
    assert base64_size("QUI=") == 2


def test_it_goes_on_from_what_it_dumped() -> None:
    session = Session("test", "s1", cwd="/src/tide", model="m")
    session.entitle("Waiting for a message", "custom")
    list(session.say("assistant", "tool_call", id="a", tool_call_id="c", tool_name="t"))
    again = Session.load(json.loads(json.dumps(session.dump())))
    assert said(list(again.say("tool", "tool_result", "x", id="b", tool_call_id="c"))).tool_name
    session.calls.clear()
    again.calls.clear()
    assert again.dump() == session.dump()


def test_a_child_is_held_in_the_same_place() -> None:
    child = Session("test", "s1", cwd="/src/tide", client="t/1").child("s1/branch-x", "branch")
    (conversation,) = told(list(child.say("user", "text", "Again", id="a")))
    assert (conversation.parent_source_id, conversation.relation) == ("s1", "branch")
    assert (conversation.repo_root, conversation.client) == ("/src/tide", "t/1")


def test_the_repository_is_the_one_around_the_folder(tmp_path: Path) -> None:
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    (tmp_path / "repo" / "src").mkdir()
    assert Session("t", "s", cwd=str(tmp_path / "repo" / "src")).repo_root == str(tmp_path / "repo")
    assert Session("t", "s", cwd=str(tmp_path / "gone")).repo_root == str(tmp_path / "gone")
    named = Session("t", "s")
    named.note(cwd=str(tmp_path / "repo" / "src"), repo_root="/elsewhere")
    assert named.repo_root == "/elsewhere"
