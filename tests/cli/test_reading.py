"""Commands that read: what they print for people, and the documented JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glin_datasette import queries
from glin_datasette.storage import backup_db, get_db

Run = Callable[..., Result]

pytestmark = pytest.mark.usefixtures("archive")

TEXT = (str,)
MAYBE_TEXT = (str, type(None))
NUMBER = (int, float)
MAYBE_NUMBER = (int, float, type(None))
COUNTS = (dict,)

CONVERSATION = {
    "source": TEXT, "source_id": TEXT, "id": (int,), "parent_id": MAYBE_NUMBER,
    "parent_source_id": MAYBE_TEXT, "relation": MAYBE_TEXT, "title": MAYBE_TEXT,
    "title_from": MAYBE_TEXT, "started_at": MAYBE_TEXT, "ended_at": MAYBE_TEXT,
    "client": MAYBE_TEXT, "transport": MAYBE_TEXT, "model": MAYBE_TEXT, "repo_root": MAYBE_TEXT,
    "git_branch": MAYBE_TEXT, "notes": MAYBE_TEXT, "tags": (list,),
}  # fmt: skip
MESSAGE = {
    "role": TEXT, "kind": TEXT, "content": TEXT, "id": (int,), "conversation_id": (int,),
    "position": (int,), "ts": MAYBE_TEXT, "model": MAYBE_TEXT, "token_in": MAYBE_NUMBER,
    "token_out": MAYBE_NUMBER, "token_cached": MAYBE_NUMBER, "tool_name": MAYBE_TEXT,
    "tool_call_id": MAYBE_TEXT, "is_error": (bool,), "source_id": MAYBE_TEXT, "refs": (list,),
    "tags": (list,), "attachments": (list,),
}  # fmt: skip
HIT = {
    "conversation_id": (int,), "message_id": (int,), "title": MAYBE_TEXT, "source": TEXT,
    "repo_root": MAYBE_TEXT, "role": TEXT, "kind": TEXT, "ts": MAYBE_TEXT, "snippet": TEXT,
    "score": MAYBE_NUMBER,
}  # fmt: skip
SEARCH = {
    "query": TEXT, "total": (int,), "exact": (bool,), "ranked": TEXT, "notice": MAYBE_TEXT,
    "hits": (list,), "suggestions": (list,),
}  # fmt: skip
STATS = {
    "path": TEXT, "size": (int,), "conversations": (int,), "messages": (int,), "refs": (int,),
    "tags": (int,), "first_ts": MAYBE_TEXT, "last_ts": MAYBE_TEXT, "token_in": (int,),
    "token_out": (int,), "token_cached": (int,), "by_source": COUNTS, "by_role": COUNTS,
    "by_kind": COUNTS, "by_model": COUNTS, "by_month": COUNTS,
}  # fmt: skip
BACKUP = {
    "path": TEXT, "created_at": TEXT, "size": (int,), "sha256": TEXT, "compressed": (bool,),
    "schema_version": (int,), "conversations": (int,), "messages": (int,), "verified": (bool,),
    "seconds": NUMBER, "pruned": (list,), "spared": (list,),
}  # fmt: skip
HEALTH = {
    "status": TEXT, "path": TEXT, "schema_version": (int,), "sqlite_version": TEXT,
    "checks": (list,), "counts": COUNTS, "sizes": COUNTS, "last_backup_age": MAYBE_NUMBER,
    "last_import_age": MAYBE_NUMBER, "checked_at": TEXT, "ms": NUMBER,
    "replication": (type(None),),
}  # fmt: skip


def document(result: Result, shape: Mapping[str, tuple[type, ...]]) -> dict[str, Any]:
    """The JSON document on stdout, which must have just these keys in this order."""
    found: dict[str, Any] = json.loads(result.stdout_bytes.decode("utf-8"))
    return shaped(found, shape)


def shaped(found: dict[str, Any], shape: Mapping[str, tuple[type, ...]]) -> dict[str, Any]:
    assert list(found) == list(shape)
    wrong = {key: value for key, value in found.items() if type(value) not in shape[key]}
    assert wrong == {}
    return found


def test_search_prints_what_was_found_and_where(run: Run) -> None:
    out = run("search", "parser", "fail").stdout
    assert "Fix the parser\n" in out
    assert "2026-02-11 05:53Z · claude-code · user text · conversation 1 · message 1" in out
    assert "/home/ada/parser" in out
    assert "  Why does the parser fail?\n" in out
    assert out.endswith("2 messages found\n")


def test_search_json(run: Run) -> None:
    found = document(run("search", "parser fail", "--json"), SEARCH)
    assert (found["query"], found["total"], found["ranked"]) == ("parser fail", 2, "all")
    for hit in found["hits"]:
        shaped(hit, HIT)
    assert "\x02parser\x03" in found["hits"][0]["snippet"]


FACETS = {
    "messages": (int,), "conversations": (int,), "exact": (bool,), "tag": COUNTS,
    "source": COUNTS, "repo": COUNTS, "role": COUNTS, "kind": COUNTS, "model": COUNTS,
    "month": COUNTS, "step": MAYBE_TEXT, "buckets": (list,),
}  # fmt: skip


def test_search_facets(run: Run) -> None:
    found = document(run("search", "parser", "--facets", "--json"), {**SEARCH, "facets": COUNTS})
    counted = shaped(found["facets"], FACETS)
    assert (counted["messages"], counted["exact"]) == (found["total"], True)
    assert sum(counted["role"].values()) == found["total"]
    out = run("search", "parser", "--facets").stdout
    assert "MESSAGES  SOURCE\n       2  source:claude-code\n" in out
    assert "MESSAGES  MONTH\n       2  since:2026-02 until:2026-02\n" in out
    assert "MESSAGES" not in run("search", "parser").stdout


@pytest.mark.parametrize(
    ("option", "value", "messages"),
    [
        ("tag", "BUG", {1, 2, 3}),
        ("source", "codex", {5}),
        ("role", "user", {1, 5}),
        ("kind", "tool_call", {2}),
        ("repo", "parser", {1, 2, 3}),
        ("file", "src", {2}),
        ("commit", "1a2b3c4d5e", {2}),
        ("model", "claude-x", {2}),
        ("since", "2026-02", {1, 2, 3, 4}),
        ("until", "2026-01", {5}),
    ],
)
def test_options_are_operators(run: Run, option: str, value: str, messages: set[int]) -> None:
    for query in ([f"--{option}", value], [f"{option}:{value}"]):
        found = document(run("search", *query, "--json"), SEARCH)
        assert {hit["message_id"] for hit in found["hits"]} == messages
    listed = json.loads(run("list", f"--{option}", value, "--json").stdout)
    conversations = {hit["conversation_id"] for hit in found["hits"]}
    assert {each["id"] for each in listed["conversations"]} == conversations


def test_a_word_may_be_excluded(run: Run) -> None:
    assert run("search", "-early", "parser").stdout.endswith("1 message found\n")
    assert run("search", "parser", "--", "-early").stdout.endswith("1 message found\n")
    assert "No such option" in run("search", "--early", status=2).stderr
    assert run("search", "--", "--parser").stdout.endswith("2 messages found\n")


def test_an_open_quote_does_not_swallow_an_option(run: Run) -> None:
    assert run("search", '"the parser', "--role", "user").stdout.endswith("1 message found\n")
    assert run("search", '"the parser', "--role", "tool").stdout.endswith("0 messages found\n")


def test_search_pages(run: Run) -> None:
    first = run("search", "--sort", "newest", "--limit", 2).stdout
    assert first.endswith("5 messages found, 1 to 2 shown; more with --offset 2\n")
    assert run("search", "--limit", 2, "--offset", 4).stdout.endswith("5 to 5 shown\n")
    assert run("search", "--offset", 9).stdout == "5 messages found, none from 10 on\n"
    assert document(run("search", "--limit", 10**30, "--json"), SEARCH)["total"] == 5


def test_a_notice_goes_to_stderr(run: Run) -> None:
    result = run("search", "=>")
    assert "not in the index" in result.stderr
    assert "not in the index" not in result.stdout


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.text(max_size=20).filter(lambda text: "\x00" not in text), max_size=4))
def test_any_text_is_a_query(run: Run, words: list[str]) -> None:
    query = [word.encode("utf-8", "replace").decode() for word in words]
    wrong = re.search(r"(?i)\b(since|until|conversation):", " ".join(query))
    if not wrong:
        document(run("search", "--json", "--", *query), SEARCH)


def test_what_was_found_cannot_act_on_a_terminal(run: Run) -> None:
    for args in (["search", "tide"], ["list"], ["show", 3], ["query", "recent"]):
        assert "\x1b" not in run(*args).stdout
        assert "␛[31mtables" in run(*args).stdout


def test_a_snippet_cannot_act_on_a_terminal(run: Run) -> None:
    assert "  Nobody calls ␛[5mit.\n" in run("search", "nobody").stdout


def test_list_aligns_its_columns(run: Run) -> None:
    lines = run("list").stdout.splitlines()
    assert lines[0].split() == ["ID", "LAST", "SOURCE", "REPOSITORY", "TITLE"]
    assert [line[:2] for line in lines[1:]] == [" 2", " 1", " 3"]
    assert lines[2] == " 1  2026-02-11 05:54Z  claude-code  parser      Fix the parser [bug]"
    assert lines[1].endswith("            (subagent) Look for callers")
    assert run("list", "--repo", "nowhere").stdout == "No conversations.\n"


def test_list_json(run: Run) -> None:
    found = document(run("list", "--json"), {"conversations": (list,)})["conversations"]
    assert [shaped(each, CONVERSATION)["id"] for each in found] == [2, 1, 3]
    assert found[0]["parent_id"] == 1
    paged = document(run("list", "--json", "--limit", 1, "--offset", 1), {"conversations": (list,)})
    assert [each["id"] for each in paged["conversations"]] == [1]


def test_show_folds_unless_asked(run: Run) -> None:
    folded, full = run("show", 1).stdout, run("show", 1, "--full").stdout
    assert "> Bash: git log -1 (2 lines of output)" in folded
    assert "fail early" not in folded
    assert "fail early" in full


@pytest.mark.parametrize("wanted", ["1", "aaaa-1"])
def test_show_finds_by_id_and_source_id(run: Run, wanted: str) -> None:
    assert run("show", wanted).stdout.startswith("# Fix the parser\n")


def test_show_finds_by_a_beginning_that_only_one_has(run: Run) -> None:
    assert "tables" in run("show", "bb").stdout
    assert "give more of it" in run("show", "aaaa", status=1).stderr
    assert run("show", "zz", status=1).stderr.count("\n") == 1


def test_show_json(run: Run) -> None:
    for args in (["--json"], ["--format", "json"]):
        found = document(run("show", 1, *args), {"conversation": (dict,), "messages": (list,)})
        assert shaped(found["conversation"], CONVERSATION)["tags"] == ["bug"]
        assert [shaped(each, MESSAGE)["position"] for each in found["messages"]] == [0, 1, 2]
        assert found["messages"][1]["refs"][0] == {"type": "commit", "value": "1a2b3c4"}


def test_show_html_and_jsonl(run: Run) -> None:
    assert run("show", 1, "--format", "html").stdout.startswith("<!doctype html>")
    lines = run("show", 1, "--format", "jsonl").stdout.splitlines()
    kinds = ["glin-export", "conversation", "message", "message", "message"]
    assert [json.loads(line)["type"] for line in lines] == kinds


def test_stats(run: Run) -> None:
    out = run("stats").stdout
    assert "3 conversations, 5 messages, 2 references, 1 tag" in out
    assert "2026-01-05 12:00Z to 2026-02-11 06:00Z" in out
    found = document(run("stats", "--json"), STATS)
    assert found["by_source"] == {"claude-code": 4, "codex": 1}
    assert found["by_month"] == {"2026-02": 4, "2026-01": 1}


def test_tag_list(run: Run) -> None:
    assert run("tag", "list").stdout.splitlines()[1].split() == ["1", "0", "bug"]
    found = document(run("tag", "list", "--json"), {"tags": (list,)})
    assert found["tags"] == [{"name": "bug", "conversations": 1, "messages": 0}]


@pytest.mark.parametrize("name", queries.names())
def test_every_query_runs_with_its_defaults(run: Run, name: str) -> None:
    run("query", name)
    found = document(run("query", name, "--json"), {"query": (str,), "rows": (list,)})
    assert found["query"] == name


def test_a_query_takes_parameters(run: Run) -> None:
    out = run("query", "by_file", "-p", "file=src/parser.py", "--json").stdout
    assert len(json.loads(out)["rows"]) == 1
    out = run("query", "by_file", "-p", "file=nothing.py").stdout
    assert out == "No rows.\n"
    wrong = run("query", "by_file", "-p", "fiel=x", status=2).stderr
    assert wrong.startswith("Error: 'fiel=x' is not KEY=VALUE")
    assert "no query 'nope'" in run("query", "nope", status=1).stderr


def test_query_list(run: Run) -> None:
    out = run("query", "--list").stdout
    assert all(f"{name}\n" in out for name in queries.names())
    found = document(run("query", "--list", "--json"), {"queries": (list,)})["queries"]
    shape = {"name": TEXT, "title": TEXT, "description": TEXT, "params": (list,)}
    assert [shaped(each, shape)["name"] for each in found] == list(queries.names())
    for each in found:
        for param in each["params"]:
            shaped(param, {"name": TEXT, "description": TEXT, "default": TEXT})


def test_check_json(run: Run) -> None:
    found = document(run("check", "--json"), HEALTH)
    assert found["status"] == "warn"  # There is no backup yet.
    for each in found["checks"]:
        shaped(each, {"name": TEXT, "status": TEXT, "detail": TEXT, "ms": NUMBER})


def test_backup_list_json(run: Run, archive: Path) -> None:
    assert run("backup", "--list").stdout == "No backups.\n"
    with get_db(archive) as db:
        backup_db(db)
    [found] = document(run("backup", "--list", "--json"), {"backups": (list,)})["backups"]
    assert shaped(found, BACKUP)["messages"] == 5
    assert found["path"] in run("backup", "--list").stdout


def test_migrate_json(run: Run, archive: Path) -> None:
    shape = {
        "path": TEXT, "version": (int,), "newest": (int,), "applied": (list,), "pending": (list,)
    }  # fmt: skip
    found = document(run("migrate", "--json"), shape)
    assert (found["path"], found["applied"], found["pending"]) == (str(archive), [], [])


@pytest.mark.parametrize("command", ["search", "list", "export"])
def test_a_date_that_is_none_is_wrong_usage(run: Run, command: str) -> None:
    error = run(command, "--since", "soon", status=2).stderr
    assert error.startswith("Error: 'soon' is no date")
    assert error.count("\n") == 1
