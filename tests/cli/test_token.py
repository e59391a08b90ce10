"""``token``: making, listing and revoking tokens, and the file that keeps them."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from glin_datasette.access import tokens
from glin_datasette.errors import GlinError, UsageError

Run = Callable[..., Result]


def test_a_token_is_told_once_and_kept_as_a_hash(run: Run, data_dir: Path) -> None:
    made = run("token", "create", "--name", "ci", "--allow", "tag", "--expires-days", 30)
    secret = made.stdout.strip()
    assert re.fullmatch(r"glin_[\w-]{43}", secret)
    assert "named ci, that allows read, tag, until 20" in made.stderr
    assert secret not in made.stderr
    file = data_dir / "tokens.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    assert secret.removeprefix("glin_") not in file.read_text()
    [each] = json.loads(run("token", "list", "--json").stdout)["tokens"]
    assert (each["name"], each["scopes"], each["expired"]) == ("ci", ["read", "tag"], False)
    assert set(each) == {"id", "name", "scopes", "created_at", "expires_at", "expired"}
    assert re.search(rf"{each['id']} +ci +read, tag ", run("token", "list").stdout)
    found = tokens.find_token(secret)
    assert found is not None
    assert found.id == each["id"]
    assert (
        run("token", "revoke", each["id"]).stdout == f"Revoked the token {each['id']}, named ci\n"
    )
    assert tokens.find_token(secret) is None
    assert run("token", "list").stdout == "No tokens.\n"
    assert [path.name for path in data_dir.iterdir()] == ["tokens.json"]


def test_without_a_word_a_token_reads_for_ever(run: Run) -> None:
    run("token", "create")
    [each] = json.loads(run("token", "list", "--json").stdout)["tokens"]
    assert (each["scopes"], each["expires_at"], each["name"]) == (["read"], None, each["id"])
    assert " never" in run("token", "list").stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["create", "--name", "ci"], "there is a token named ci"),
        (["create", "--name", ""], "is no name of a token"),
        (["create", "--name", "a\nb"], "is no name of a token"),
        (["create", "--name", "x" * 65], "is no name of a token"),
        (["create", "--allow", "everything"], "'everything' is not one of"),
        (["create", "--expires-days", "0"], "expires after 1 to"),
        (["create", "--expires-days", "999999999999"], "expires after 1 to"),
        (["create", "--expires-days", "soon"], "is not a valid integer"),
        (["revoke"], "Missing argument"),
    ],
)
def test_what_cannot_be_made_is_wrong_usage(run: Run, arguments: list[str], told: str) -> None:
    run("token", "create", "--name", "ci")
    assert told in run("token", *arguments, status=2).stderr
    assert len(tokens.list_tokens()) == 1


def test_a_token_that_is_not_there_is_not_revoked(run: Run, data_dir: Path) -> None:
    error = run("token", "revoke", "nope", status=1).stderr
    assert (
        error == "Error: no token 'nope'; 'glin-datasette token list' shows those that there are\n"
    )
    assert list(data_dir.iterdir()) == []


def test_the_id_of_one_is_not_the_name_of_another(run: Run) -> None:
    token, secret = tokens.create_token()
    with pytest.raises(UsageError, match="there is a token named"):
        tokens.create_token(token.id)
    assert tokens.find_token(secret) == token


def a_token(**changed: Any) -> dict[str, Any]:
    return {
        "id": "a1",
        "name": "a1",
        "scopes": ["read"],
        "created_at": "2026-01-01T00:00:00.000Z",
        "expires_at": None,
        "sha256": "0" * 64,
    } | changed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"tokens": 7}',
        '{"tokens": [7]}',
        '{"tokens": [{}]}',
        "[" * 100_000,
        *(
            json.dumps({"tokens": [a_token(**changed)]})
            for changed in (
                {"expires_at": "never"},
                {"expires_at": 7},
                {"sha256": "0" * 63},
                {"sha256": None},
                {"name": "a\x1b[31m"},
                {"id": 7},
                {"scopes": None},
                {"created_at": None},
            )
        ),
    ],
)
def test_a_damaged_file_is_one_line(run: Run, data_dir: Path, text: str) -> None:
    data_dir.mkdir()
    (data_dir / "tokens.json").write_text(text)
    for arguments in (["list"], ["create"], ["revoke", "a1"]):
        error = run("token", *arguments, status=1).stderr
        assert error.startswith(f"Error: {data_dir / 'tokens.json'}: holds no tokens as")
        assert error.count("\n") == 1
    assert [path.name for path in data_dir.iterdir()] == ["tokens.json"]
    assert (data_dir / "tokens.json").read_text() == text


def test_a_file_that_cannot_be_read_is_one_line(run: Run, data_dir: Path) -> None:
    (data_dir / "tokens.json").mkdir(parents=True)
    assert "tokens.json: cannot be read: Is a directory" in run("token", "list", status=1).stderr
    (data_dir / "tokens.json").rmdir()
    (data_dir / "tokens.json").write_bytes(b"\xff")
    assert "tokens.json: cannot be read" in run("token", "list", status=1).stderr


def test_what_a_newer_release_allows_is_left_out(data_dir: Path) -> None:
    data_dir.mkdir()
    newer = a_token(scopes=["read", "fly"], more=1)
    (data_dir / "tokens.json").write_text(json.dumps({"tokens": [newer]}))
    [token] = tokens.list_tokens()
    assert token.scopes == ("read",)


def test_many_at_once_lose_none(data_dir: Path) -> None:
    code = "from glin_datasette.access import tokens\nfor _ in range(10): tokens.create_token()"
    started = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(4)]
    assert [each.wait(120) for each in started] == [0] * 4
    assert len({token.id for token in tokens.list_tokens()}) == 40


def test_a_lock_that_somebody_left_is_named(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "_PATIENCE", 0.1)
    data_dir.mkdir()
    (data_dir / "tokens.json.new").touch()
    with pytest.raises(GlinError, match=r"tokens\.json\.new: another process is changing"):
        tokens.create_token()
    assert (data_dir / "tokens.json.new").exists()
