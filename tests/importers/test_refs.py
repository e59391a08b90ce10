"""References: what is one, and above all what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glin_datasette.importers.refs import (
    MAX_REFS,
    command_commits,
    file_ref,
    git_subcommands,
    mentioned_files,
    output_commits,
    text_commits,
    tool_files,
    unique,
    urls,
)
from glin_datasette.models import Ref

FULL = "77d0e2155aa0cf4f3a9e2d3c5b1f8f7d6a1b2c3d"
UUID = "550e8400-e29b-41d4-a716-446655440000"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/home/ada/tide/src/a.py", "src/a.py"),
        ("/home/ada/tide/src/../b.py", "b.py"),
        ("src/a.py", "lib/src/a.py"),
        ("../a.py", "a.py"),
        ("/home/ada/tidemark/a.py", "/home/ada/tidemark/a.py"),
        ("/etc/hosts", "/etc/hosts"),
        ("~/notes.md", "~/notes.md"),
        ("/home/ada/tide", None),
        ("/home/ada/tide/", None),
        ("", None),
        (" ", None),
        ("a\nb", None),
        ("x" * 2000, None),
    ],
)
def test_files(path: str, expected: str | None) -> None:
    ref = file_ref(path, "/home/ada/tide/lib", "/home/ada/tide")
    assert (ref.value if ref else None) == expected


@pytest.mark.parametrize(
    ("path", "cwd", "root", "expected"),
    [
        ("C:\\work\\tide\\src\\a.py", "C:\\work\\tide", "C:\\work\\tide", "src/a.py"),
        ("src\\a.py", "C:\\work\\tide", "C:\\work\\tide", "src/a.py"),
        ("D:\\a.py", "C:\\work\\tide", "C:\\work\\tide", "D:/a.py"),
        ("/a.py", None, None, "/a.py"),
        ("a.py", None, None, "a.py"),
        ("/srv/a.py", "/", "/", "srv/a.py"),
    ],
)
def test_files_elsewhere(path: str, cwd: str | None, root: str | None, expected: str) -> None:
    assert file_ref(path, cwd, root) == Ref("file", expected)


@pytest.mark.parametrize(
    ("tool", "arguments", "expected"),
    [
        ("Read", {"file_path": "/r/a.py"}, ["a.py"]),
        ("NotebookEdit", {"notebook_path": "/r/n.ipynb"}, ["n.ipynb"]),
        ("mcp__filesystem__read_file", {"path": "/r/a.py"}, ["a.py"]),
        ("Grep", {"pattern": "x", "path": "/r/src"}, []),
        ("Bash", {"command": "cat /r/a.py"}, []),
        ("Read", {"file_path": ["/r/a.py"]}, []),
        ("Read", "a.py", []),
    ],
)
def test_files_of_tools(tool: str, arguments: object, expected: list[str]) -> None:
    assert [ref.value for ref in tool_files(tool, arguments, "/r", "/r")] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("look at @src/tide.py, please", ["src/tide.py"]),
        ("(@README.md) and @docs/a-b.md.", ["README.md", "docs/a-b.md"]),
        ("@~/notes/x.md", ["~/notes/x.md"]),
        ("write to ada@example.py", []),
        ("install @types/node or @scope/pkg", []),
        ("the @pytest.mark.skip decorator, @app.route('/')", []),
        ("@ada said so", []),
        ("`@src/tide.py`", []),
    ],
)
def test_mentioned_files(text: str, expected: list[str]) -> None:
    assert [ref.value for ref in mentioned_files(text, None, None)] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("since commit 3f1c9ab it fails", ["3f1c9ab"]),
        ("Commit 3F1C9AB.", ["3f1c9ab"]),
        ("commits 1a2b3c4, 5d6e7f8 and 9a8b7c6", ["1a2b3c4", "5d6e7f8", "9a8b7c6"]),
        ("commit `3f1c9ab`", ["3f1c9ab"]),
        ("commit: 3f1c9ab", ["3f1c9ab"]),
        ("(commit 3f1c9ab)", ["3f1c9ab"]),
        ("committed as 3f1c9ab", ["3f1c9ab"]),
        ("reverted 3f1c9ab; cherry-picked 1a2b3c4", ["3f1c9ab", "1a2b3c4"]),
        (f"revision {FULL}", [FULL]),
        ("Fixed in 3f1c9ab.", ["3f1c9ab"]),
        (f"https://example.com/ada/tide/commit/{FULL}", [FULL]),
        # None of these is a commit.
        ("3f1c9ab stands alone", []),
        (f"commit {UUID}", []),
        ("commit #3f1c9ab", []),
        ("the colour commit is #3f1c9a", []),
        ("commit " + "ab12" * 16, []),
        ("commit 1234567 lines", []),
        ("commit defaced", []),
        ("commit 3f1c9a", []),
        ("commit v3f1c9ab", []),
        ("commit 3f1c9ab.py_x", ["3f1c9ab"]),
        ("commit files/3f1c9ab", []),
        ("commitment 3f1c9ab", []),
        ("sha256: " + "ab12" * 16, []),
    ],
)
def test_commits_in_context(text: str, expected: list[str]) -> None:
    assert [ref.value for ref in text_commits(text)] == expected


@pytest.mark.parametrize(
    ("command", "output", "expected"),
    [
        ("git commit -m x", "[main 8e2f0d1] Wrap\n 1 file changed", ["8e2f0d1"]),
        ("git commit -m x", "[main (root-commit) 8e2f0d1] Start", ["8e2f0d1"]),
        ("git commit -m x", "[detached HEAD 1234567] Digits only", ["1234567"]),
        ("cd a && git -C b --no-pager log", f"commit {FULL} (HEAD -> main)\nAuthor: Ada", [FULL]),
        ("git log --graph", f"* commit {FULL}\n| Author: Ada", [FULL]),
        ("git log --oneline -3", "3f1c9ab Add\n* 77d0e21 (tag: v1) Start", ["3f1c9ab", "77d0e21"]),
        ("git rev-parse HEAD", f"{FULL}\n", [FULL]),
        ("git branch -v", "* main    3f1c9ab Add\n  old     77d0e21 Start", ["3f1c9ab", "77d0e21"]),
        ("git push", "To example.com\n   3f1c9ab..77d0e21  main -> main", ["77d0e21"]),
        ("git pull", "Updating 3f1c9ab..77d0e21\nFast-forward", ["77d0e21"]),
        ("git reset --hard", "HEAD is now at 3f1c9ab Add", ["3f1c9ab"]),
        # Hashes of blobs, numbers, words, and what other programs print.
        ("git show x", "index 83db48f..bf269f4 100644\n+a1b2c3d4 x", []),
        ("git diff", "index 83db48f..bf269f4 100644", []),
        ("git hash-object a", "83db48fa83db48fa83db48fa83db48fa83db48fa", []),
        ("git log --oneline && wc -l", "1234567 total\ndefaced it", []),
        ("sha1sum a", "83db48fa83db48fa83db48fa83db48fa83db48fa  a", []),
        ("ls", "[main 8e2f0d1] Wrap", []),
        ("legit commit", "[main 8e2f0d1] Wrap", []),
        ("git status", "[main 8e2f0d1] Wrap", []),
    ],
)
def test_commits_in_output(command: str, output: str, expected: list[str]) -> None:
    found = output_commits(output, git_subcommands(command))
    assert [ref.value for ref in unique(found)] == expected


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("git show --stat 77d0e21", ["77d0e21"]),
        ("git diff 3f1c9ab..77d0e21 -- a.py", ["3f1c9ab", "77d0e21"]),
        ("git revert 3f1c9ab^", ["3f1c9ab"]),
        ("git commit -m 'about 3f1c9ab'", []),
        ("git checkout feature/3f1c9ab", []),
        ("git log; echo 3f1c9ab", []),
        (None, []),
    ],
)
def test_commits_in_commands(command: object, expected: list[str]) -> None:
    assert [ref.value for ref in command_commits(command)] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see https://example.com.", ["https://example.com"]),
        ("[a](https://example.com/a_(b)), and", ["https://example.com/a_(b)"]),
        ("[a](https://example.com/b)[c](https://example.com/d)",
         ["https://example.com/b", "https://example.com/d"]),
        ("<https://example.com/x?y=1&z=2#w>", ["https://example.com/x?y=1&z=2#w"]),
        ("**https://example.com/bold**", ["https://example.com/bold"]),
        ('"https://example.com/q"', ["https://example.com/q"]),
        ("`https://example.com/code`", ["https://example.com/code"]),
        ('{"u":"https://example.com/j\\nx"}', ["https://example.com/j"]),
        ("見て https://example.com/頁。次", ["https://example.com/頁"]),
        ("\uff08https://example.com/w\uff09", ["https://example.com/w"]),
        ("http://localhost:8000/a", ["http://localhost:8000/a"]),
        ("http://[::1]:8000/a", ["http://[::1]:8000/a"]),
        ("https://ada:secret@example.com/x", ["https://example.com/x"]),
        ("HTTPS://EXAMPLE.COM", ["HTTPS://EXAMPLE.COM"]),
        ("https://example.com/a?b[0]=1", ["https://example.com/a?b[0]=1"]),
        # No address at all.
        ("http://", []),
        ("https://...", []),
        ("http://${HOST}/a", []),
        ("http://[::1", []),
        ("git+https://x", []),
        ("ftp://example.com", []),
        ("https://example.com/" + "x" * 3000, []),
    ],
)  # fmt: skip
def test_urls(text: str, expected: list[str]) -> None:
    assert [ref.value for ref in urls(text)] == expected


def test_references_are_bounded_by_type_and_unique() -> None:
    many = [Ref("url", f"https://example.com/{n}") for n in range(200)]
    found = unique([*many, *many, Ref("file", "a.py")])
    assert len(found) == MAX_REFS + 1
    assert found[0] == many[0]
    assert found[-1] == Ref("file", "a.py")


@given(st.text() | st.text("0123456789abcdef .-\n[]()https:/@git"))
def test_no_text_breaks_the_search(text: str) -> None:
    commits = output_commits(text, ["log", "push", "branch"])
    commands = command_commits(text)
    files = mentioned_files(text, "/r", "/r")
    for ref in (*urls(text), *text_commits(text), *commits, *commands, *files):
        assert ref.value
        assert "\n" not in ref.value
        if ref.type == "commit":
            assert 7 <= len(ref.value) <= 40
            assert set(ref.value) <= set("0123456789abcdef")


def test_a_folder_with_half_of_a_surrogate_pair_makes_a_path_that_can_be_stored() -> None:
    assert file_ref("a.py", "/home/\ud800x", None) == Ref("file", "/home/\ufffdx/a.py")
