"""Commands that change the archive or write files."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import Result

from glin_datasette.storage import get_db, list_tags, query_conversations, version

Run = Callable[..., Result]

SMALL = Path(__file__).parents[1] / "fixtures" / "glin" / "small.jsonl"


def titles(archive: Path) -> list[str | None]:
    with get_db(archive) as db:
        return [each.title for each in query_conversations(db)]


def test_init_makes_the_archive_once(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "my.db"
    assert run("init", "--db", path).stdout == f"{path}: made, schema version 4\n"
    assert "is there and up to date" in run("--db", path, "init").stdout


@pytest.mark.parametrize(
    "args",
    [["list"], ["search", "x"], ["stats"], ["tag", "list"], ["export"]],
    ids=" ".join,
)
def test_every_command_makes_the_archive(run: Run, tmp_path: Path, args: list[str]) -> None:
    run(*args, "--db", tmp_path / "glin.db")
    with get_db(tmp_path / "glin.db", readonly=True) as db:
        assert version(db) == 4


def test_the_option_of_the_command_wins(run: Run, tmp_path: Path) -> None:
    run("--db", tmp_path / "one.db", "init", "--db", tmp_path / "two.db")
    assert [path.name for path in tmp_path.glob("*.db")] == ["two.db"]


def test_import_tells_what_it_did(run: Run, data_dir: Path) -> None:
    out = run("import", SMALL).stdout
    assert out.startswith("Imported 1 conversation and 2 messages from 1 file (0 unchanged) in ")
    assert titles(data_dir / "glin.db") == ["Fix the parser"]


def test_import_json(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "damaged.jsonl"
    path.write_text(SMALL.read_text() + 'no JSON\n{"type": "memo"}\n')
    report = json.loads(run("import", path, "--json").stdout)
    assert report.pop("seconds") >= 0
    assert report == {
        "files": 1,
        "unchanged": 0,
        "conversations": 1,
        "messages": 2,
        "redacted": 0,
        "failed": 0,
        "skipped": 2,
        "unknown": {"memo": 1},
        "errors": [
            {"path": str(path), "line": 5, "error": "not JSON: Expecting value at column 1"}
        ],
    }


def test_import_tells_damage_line_by_line(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "damaged.jsonl"
    path.write_text(SMALL.read_text() + "no JSON\n" * 22)
    result = run("import", path)
    lines = result.stderr.splitlines()
    assert lines[0] == f"{path}:5: not JSON: Expecting value at column 1"
    assert (len(lines), lines[-1]) == (21, "and 2 more")
    assert result.stdout.endswith("; 22 records skipped\n")


def test_import_of_what_is_no_transcript_fails(run: Run, tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("hello")
    result = run("import", other, SMALL, status=1)
    assert f"{other}: is of no known format" in result.stderr
    assert "Imported 1 conversation" in result.stdout
    missing = run("import", tmp_path / "missing", status=1)
    assert missing.stderr == f"Error: {tmp_path / 'missing'}: no such file or folder\n"


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_import_of_what_cannot_be_read_fails(run: Run, tmp_path: Path) -> None:
    for path in (tmp_path / "folder", tmp_path / "file.jsonl"):
        path.mkdir() if path.suffix == "" else path.write_text("{}")
        path.chmod(0)
        assert "cannot be read" in run("import", path, status=1).stderr
        path.chmod(0o700)


def test_import_of_nothing_is_no_error(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    run("import", tmp_path / "empty.jsonl")
    assert "from 0 files" in run("import").stdout


def test_samples_are_imported_where_nothing_else_is(run: Run, data_dir: Path) -> None:
    assert "from 0 files" in run("import").stdout
    report = json.loads(run("import", "--or-samples", "--json").stdout)
    assert report["conversations"] > 0
    assert report["errors"] == []
    again = json.loads(run("import", "--samples", "--json").stdout)
    assert again["unchanged"] == again["files"] == report["files"]


def test_samples_are_left_out_where_there_is_more(
    run: Run, root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data_dir: Path
) -> None:
    place = tmp_path / "projects" / "-home-ada-x"
    place.mkdir(parents=True)
    record = {
        "type": "user",
        "uuid": "u1",
        "sessionId": "s1",
        "timestamp": "2026-01-01T00:00:00.000Z",
        "cwd": "/home/ada/x",
        "message": {"role": "user", "content": "Only mine"},
    }
    (place / "s1.jsonl").write_text(json.dumps(record) + "\n")
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path))
    run("import", "--or-samples")
    assert titles(data_dir / "glin.db") == ["Only mine"]


def test_tags_come_and_go(run: Run, archive: Path) -> None:
    assert run("tag", "add", "later", 1, "bbbb", "--message", 2).stdout == (
        "Tagged 2 conversations and 1 message\n"
    )
    assert run("tag", "add", "Later", "--conversation", 1).stdout == (
        "Tagged 0 conversations and 0 messages\n"
    )
    with get_db(archive) as db:
        counts = {tag.name: (tag.conversations, tag.messages) for tag in list_tags(db)}
    assert counts == {"bug": (1, 0), "later": (2, 1)}
    run("tag", "remove", "later", 1, 3, "--message", 2)
    assert "later" not in run("tag", "list").stdout


def test_tagging_is_all_or_nothing(run: Run, archive: Path) -> None:
    assert "no conversation 'zz'" in run("tag", "add", "new", 1, "zz", status=1).stderr
    assert "no message 99" in run("tag", "add", "new", 1, "--message", 99, status=1).stderr
    assert "new" not in run("tag", "list").stdout
    assert "name at least one" in run("tag", "add", "new", status=2).stderr


def test_delete_asks_and_takes_children_along(run: Run, archive: Path) -> None:
    result = run("delete", 1, status=1, input="n\n")
    assert "Delete 2 conversations with 4 messages?" in result.stdout
    assert len(titles(archive)) == 3
    assert run("delete", 1, input="y\n").stdout.endswith(
        "Deleted 2 conversations with 4 messages\n"
    )
    assert len(titles(archive)) == 1


@pytest.mark.parametrize("ids", [(1, 2), (2, 1), (1, 1)])
def test_a_child_may_be_named_beside_its_parent(
    run: Run, archive: Path, ids: tuple[int, ...]
) -> None:
    assert run("delete", *ids, "--yes").stdout == "Deleted 2 conversations with 4 messages\n"
    assert len(titles(archive)) == 1


def test_what_was_deleted_comes_back_only_if_asked_for(run: Run) -> None:
    run("import", "--samples")
    found = json.loads(run("list", "--json").stdout)
    run("delete", "--yes", *[str(each["id"]) for each in found["conversations"]])
    assert run("import", "--samples").stdout.startswith("Imported 0 conversations")
    assert "No conversations" in run("list").stdout
    assert run("import", "--samples", "--deleted").stdout.startswith(
        f"Imported {len(found['conversations'])} conversations"
    )


def test_delete_changes_nothing_when_one_id_is_wrong(run: Run, archive: Path) -> None:
    run("delete", 1, 99, "--yes", status=1)
    assert len(titles(archive)) == 3


def test_backup_and_restore(run: Run, archive: Path, tmp_path: Path) -> None:
    made = json.loads(run("backup", "--to", tmp_path / "kept", "--json").stdout)
    assert (made["conversations"], made["verified"]) == (3, True)
    run("delete", 1, "--yes")
    tried = run("restore", made["path"], "--dry-run").stdout
    assert tried.endswith("3 conversations, 5 messages, schema version 4, verified; "
                          "nothing was changed\n")  # fmt: skip
    run("restore", made["path"], status=1, input="n\n")
    assert len(titles(archive)) == 1
    restored = json.loads(run("restore", made["path"], "--yes", "--json").stdout)
    assert list(restored) == [
        "path", "restored_from", "previous", "schema_version", "conversations", "messages",
        "in_place", "seconds",
    ]  # fmt: skip
    assert len(titles(archive)) == 3
    run("restore", restored["previous"], "--force")
    assert len(titles(archive)) == 1


def test_restore_takes_no_files_place_that_is_no_archive(
    run: Run, archive: Path, tmp_path: Path
) -> None:
    made = json.loads(run("backup", "--json").stdout)["path"]
    letter = tmp_path / "notes.txt"
    letter.write_text("Dear diary")
    for option in ("--yes", "--dry-run"):
        told = run("restore", made, "--db", letter, option, status=1).stderr
        assert told.startswith(f"Error: {letter}: not an SQLite database")
        assert told.count("\n") == 1
    assert letter.read_text() == "Dear diary"
    forced = run("restore", made, "--db", letter, "--force")
    assert forced.stderr.startswith(f"{letter}: SQLite could not open it")
    assert "restart what" in forced.stderr
    assert len(titles(letter)) == 3


def test_restore_knows_its_backups_by_name(run: Run, archive: Path) -> None:
    made = json.loads(run("backup", "--json").stdout)
    run("restore", Path(made["path"]).name, "--yes")
    missing = run("restore", "glin-20200101T000000Z.db", "--yes", status=1)
    assert missing.stderr.startswith("Error: glin-20200101T000000Z.db: ")


def test_backup_keeps_so_many(run: Run, archive: Path) -> None:
    run("backup")
    assert "Removed " in run("backup", "--keep", 1).stdout
    assert len(json.loads(run("backup", "--list", "--json").stdout)["backups"]) == 1
    run("backup", "--keep", 0, status=2)
    run("backup", "--keep-daily", 0, status=2)
    run("backup", "--list", "--compress", status=2)
    kept = run("backup", "--compress", "--keep-daily", 7, "--keep-weekly", 4, "--keep-monthly", 2)
    assert "Removed " in kept.stdout
    (only,) = json.loads(run("backup", "--list", "--json").stdout)["backups"]
    assert only["compressed"]
    assert only["path"].endswith(".db.zst")


def test_backup_makes_no_archive(run: Run, archive: Path) -> None:
    run("backup")
    archive.unlink()
    for _ in range(2):
        told = run("backup", "--keep", 1, status=1).stderr
        assert told.startswith(f"Error: {archive}: no archive there; make one with ")
        assert "glin-datasette init" in told
        assert "--db" in told
        assert told.count("\n") == 1
        assert not archive.exists() or archive.stat().st_size == 0
        assert len(json.loads(run("backup", "--list", "--json").stdout)["backups"]) == 1
        archive.touch()
    archive.unlink()
    run("init")
    told = run("backup", "--keep", 1).stderr
    assert "holds no conversations, so 1 older backup that would have been removed stayed" in told
    assert len(json.loads(run("backup", "--list", "--json").stdout)["backups"]) == 2


def test_verify_reads_each_back_and_tells_which_is_not_whole(run: Run, archive: Path) -> None:
    whole, cut = (
        Path(json.loads(run("backup", *options, "--json").stdout)["path"])
        for options in ([], ["--compress"])
    )
    assert run("verify", whole.name, cut).stdout.count(", whole\n") == 2
    # All that a shell makes of a pattern: each backup once, without its manifest.
    everything = run("verify", *sorted(whole.parent.iterdir()))
    assert everything.stdout.count(", whole\n") == 2
    assert "name a backup" in run("verify", Path(__file__), status=1).stderr
    cut.write_bytes(cut.read_bytes()[:-100])
    told = run("verify", cut, whole, "none.db", status=1)
    assert told.stdout.startswith(f"{whole}: ")
    assert [line.split(": ")[1] for line in told.stderr.splitlines()] == [str(cut), "none.db"]
    found = json.loads(run("verify", cut, whole, "--json", status=1).stdout)["backups"]
    assert list(found[0]) == ["path", "error"]
    assert found[1]["verified"] is True
    run("verify", status=2)


def test_check_fails_on_damage(run: Run, archive: Path) -> None:
    assert "warn  backup" in run("check").stdout
    run("backup")
    assert run("check", "--deep").stdout.splitlines()[-1].startswith(f"{archive}: ok; ")
    with closing(sqlite3.connect(archive)) as conn, conn:
        conn.execute("pragma writable_schema = on")
        conn.execute("update sqlite_master set rootpage = 9999 where name = 'messages'")
    assert "fail" in run("check", status=1).stdout
    assert json.loads(run("check", "--json", status=1).stdout)["status"] == "fail"


def test_export_writes_what_import_reads(run: Run, archive: Path, tmp_path: Path) -> None:
    target, other = tmp_path / "out.jsonl", tmp_path / "other.db"
    result = run("export", "--output", target)
    assert (result.stdout, result.stderr) == ("", f"Exported 3 conversations to {target}\n")
    run("import", target, "--db", other)
    assert sorted(map(str, titles(other))) == sorted(map(str, titles(archive)))
    assert run("export").stdout.splitlines()[1:] == target.read_text("utf-8").splitlines()[1:]
    assert run("export", "-o", "-").stdout.splitlines()[1:] == run("export").stdout.splitlines()[1:]


@pytest.mark.parametrize(
    ("args", "exported"),
    [(["1"], 3), (["bbbb", "1", "1"], 4), (["--role", "user"], 4), (["--commit", "1a2b3c4"], 3)],
)
def test_export_of_some(run: Run, archive: Path, args: list[str], exported: int) -> None:
    lines = [json.loads(line) for line in run("export", *args).stdout.splitlines()]
    assert sum(line["type"] == "message" for line in lines) == exported


def test_export_takes_ids_or_filters(run: Run, archive: Path) -> None:
    assert "not both" in run("export", 1, "--tag", "bug", status=2).stderr
    assert "no conversation '99'" in run("export", 99, status=1).stderr
    missing = archive.parent / "none" / "x.jsonl"
    assert "cannot write the export there" in run("export", "-o", missing, status=1).stderr


def older(archive: Path) -> None:
    """Make an archive look as if its newest schema step had not been applied."""
    with closing(sqlite3.connect(archive)) as conn, conn:
        for kind, name in conn.execute(
            "select type, name from sqlite_master where type in ('view', 'trigger', 'table')"
            " and sql is not null and name not like '%_fts_%' and name not like 'sqlite_%'"
            " and name not like '_sqlite_%' order by type = 'table', name = 'messages_fts' desc"
        ).fetchall():
            conn.execute(f"drop {kind} if exists [{name}]")
        conn.execute("delete from _sqlite_migrations")


def test_migrate_shows_and_applies_pending_steps(run: Run, archive: Path) -> None:
    older(archive)
    for option in ("--list", "--dry-run"):
        out = run("migrate", option).stdout
        assert out == (
            "pending: 0001_initial\npending: 0002_attachments\npending: 0003_finding\n"
            "pending: 0004_counts\n"
            f"{archive}: schema version 0, 4 to apply\n"
        )
    out = run("migrate").stdout
    steps = (
        "applied: 0001_initial\napplied: 0002_attachments\napplied: 0003_finding\n"
        "applied: 0004_counts\n"
    )
    assert out == f"{steps}{archive}: schema version 4, up to date\n"
    assert run("migrate").stdout == f"{archive}: schema version 4, up to date\n"


def test_a_dry_run_makes_no_archive(run: Run, data_dir: Path) -> None:
    report = json.loads(run("migrate", "--dry-run", "--json").stdout)
    assert (report["version"], report["pending"]) == (
        0,
        ["0001_initial", "0002_attachments", "0003_finding", "0004_counts"],
    )
    assert not (data_dir / "glin.db").exists()


ALL = [
    ["init"], ["import", str(SMALL)], ["search", "x"], ["list"], ["show", "1"],
    ["tag", "add", "x", "1"], ["tag", "list"], ["stats"], ["query", "recent"], ["serve"],
    ["export"], ["backup"], ["migrate"], ["delete", "1", "--yes"],
]  # fmt: skip


@pytest.mark.parametrize("args", ALL, ids=" ".join)
def test_a_newer_archive_is_refused_and_untouched(run: Run, archive: Path, args: list[str]) -> None:
    with closing(sqlite3.connect(archive)) as conn, conn:
        conn.execute(
            "insert into _sqlite_migrations (migration_set, name, applied_at)"
            " values ('glin', '9999_future', '2030')"
        )
    before = archive.read_bytes()
    error = run(*args, status=1).stderr
    assert error.startswith(f"Error: {archive}: written by a newer release")
    assert error.count("\n") == 1
    assert archive.read_bytes() == before


@pytest.mark.parametrize("args", [*ALL, ["check"]], ids=" ".join)
def test_a_file_that_is_no_archive_is_refused(run: Run, tmp_path: Path, args: list[str]) -> None:
    path = tmp_path / "letter.db"
    path.write_text("Dear diary, " * 10)
    result = run(*args, "--db", path, status=1)
    assert "not an SQLite database" in result.output
    assert path.read_text() == "Dear diary, " * 10


def test_a_folder_is_no_archive(run: Run, tmp_path: Path) -> None:
    assert "is a directory" in run("list", "--db", tmp_path, status=2).stderr
    below_a_file = tmp_path / "file" / "glin.db"
    (tmp_path / "file").touch()
    assert run("list", "--db", below_a_file, status=1).stderr.startswith("Error: ")
