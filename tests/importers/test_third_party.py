"""Importers of other packages: installed for real, and whatever is wrong with them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlite_utils

from glin_datasette import importers
from glin_datasette.importers.base import Checkpoint, Importer, Item, Said, Skipped
from glin_datasette.ingest import ImportOptions, import_paths, survey
from glin_datasette.models import Conversation, Message, Problem
from glin_datasette.storage import check, query_conversations, query_messages

PARLEY = (
    "parley 1\n"
    "2026-04-01T09:00:00Z ada: How high is the tide?\n"
    "nonsense\n"
    "2026-04-01T09:00:02Z bot: 3.2 m, see https://example.org/tides\n"
)


# --- the example of the docs -------------------------------------------------------------


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package that docs/importers.md shows, as pip installs it."""
    page = Path(__file__).resolve().parents[2] / "docs" / "importers.md"
    text = page.read_text("utf-8")
    project = tmp_path_factory.mktemp("glin-parley")
    for name, language in (("glin_parley.py", "python"), ("pyproject.toml", "toml")):
        found = re.search(rf"`{re.escape(name)}`:\n\n```{language}\n(.*?)^```$", text, re.M | re.S)
        assert found
        (project / name).write_text(found[1])
    target = tmp_path_factory.mktemp("site-packages")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *("--no-deps", "--no-build-isolation", "--no-index", "--target", target, project),
        ],
        check=True,
        capture_output=True,
    )
    return target


def run(
    folder: Path, *args: str | Path, home: Path | None = None
) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(folder)}
    if home:
        env["HOME"] = str(home)
    return subprocess.run(
        [sys.executable, "-m", "glin_datasette", *args],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_example_in_the_docs_works_once_it_is_installed(
    installed: Path, tmp_path: Path
) -> None:
    log = tmp_path / ".parley" / "tides.parley"
    log.parent.mkdir()
    log.write_text(PARLEY)
    for paths in ([log], [log.parent], []):
        archive = tmp_path / f"{len(paths)}{paths == [log]}.db"
        done = run(installed, "--db", archive, "import", "--json", *paths, home=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        report = json.loads(done.stdout)
        assert (report["conversations"], report["messages"], report["skipped"]) == (1, 2, 1)
        assert [each["line"] for each in report["errors"]] == [3]
        again = run(installed, "--db", archive, "import", "--json", *paths, home=tmp_path)
        assert json.loads(again.stdout)["unchanged"] == 1
    shown = json.loads(run(installed, "--db", archive, "show", "1", "--json").stdout)
    about = shown["conversation"]
    assert (about["source"], about["source_id"], about["client"]) == (
        "parley", "tides", "parley/1",
    )  # fmt: skip
    assert about["title"] == "How high is the tide?"
    assert [message["role"] for message in shown["messages"]] == ["user", "assistant"]
    assert shown["messages"][1]["refs"] == [{"type": "url", "value": "https://example.org/tides"}]
    listed = json.loads(run(installed, "import", "--list", "--json", home=tmp_path).stdout)
    (place,) = [each for each in listed if each["format"] == "parley"]
    assert (place["title"], place["exists"], place["files"]) == ("Parley", True, 1)


def test_the_logs_in_the_docs_are_such_logs(installed: Path, tmp_path: Path, root: Path) -> None:
    text = (root / "docs" / "importers.md").read_text("utf-8")
    log = re.search(r"^```text\n(.*?)^```$", text, re.M | re.S)
    assert log
    (tmp_path / "shown.parley").write_text(log[1])
    done = run(installed, "import", "--json", tmp_path / "shown.parley")
    assert json.loads(done.stdout)["messages"] == 2


def test_who_does_not_import_does_not_look_for_them(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from importlib import metadata\n"
        "found = metadata.entry_points\n"
        "def watched(**names):\n"
        "    assert names.get('group') != 'glin_datasette.importers', 'looked for'\n"
        "    return found(**names)\n"
        "metadata.entry_points = watched\n"
        "from glin_datasette.cli import main\n"
        "import glin_datasette.importers\n"
        "main(sys.argv[1:], standalone_mode=False)\n"
    )
    for args in (["init"], ["list"], ["search", "word"], ["stats"]):
        done = subprocess.run(
            [sys.executable, "-c", code, "--db", tmp_path / "a.db", *args],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), args


# --- what may be wrong with them ---------------------------------------------------------


class Acme(Importer):
    """One message a line."""

    name = "acme"
    title = "Acme"
    source = "acme"

    def matches(self, path: Path) -> bool:
        return path.suffix == ".acme"

    def identify(self, path: Path, head: bytes) -> bool:
        return head.startswith(b"acme\n")

    def read(self, path: Path, start: Checkpoint) -> Iterator[Item]:
        yield Conversation(source="acme", source_id=path.stem)
        for line in path.read_text().splitlines()[1:]:
            yield from self.items(path.stem, line)
        yield Checkpoint()

    def items(self, conversation: str, line: str) -> Iterator[Item]:
        yield Said(conversation, Message(role="user", content=line, source_id=line))


@pytest.fixture
def other_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages for :func:`install`, seen by this process."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    importers._theirs.cache_clear()
    yield folder
    importers._theirs.cache_clear()


def install(folder: Path, name: str, entry: str) -> None:
    """What pip leaves of a package that has an importer."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[glin_datasette.importers]\n{name} = {entry}\n")


def module(folder: Path, name: str, body: str) -> None:
    """A module with a class ``Theirs``, which is Acme but for ``body``."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    (folder / f"{name}.py").write_text(
        f"from {__name__} import Acme\n\n\nclass Theirs(Acme):\n    '''.'''\n{lines}"
    )


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with a log of Acme and an export of glin."""
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "one.acme").write_text("acme\nfirst\nsecond\n")
    (folder / "export.jsonl").write_bytes(
        (Path(__file__).parents[1] / "fixtures" / "glin" / "small.jsonl").read_bytes()
    )
    return folder


def test_a_class_and_an_importer_itself_will_do(
    db: sqlite_utils.Database, other_packages: Path, files: Path
) -> None:
    module(other_packages, "acme_class", "")
    module(other_packages, "acme_object", "name = 'acme-too'")
    made = other_packages / "acme_object.py"
    made.write_text(f"{made.read_text()}\n\nreader = Theirs()\n")
    install(other_packages, "glin-class", "acme_class:Theirs")
    install(other_packages, "glin-object", "acme_object:reader")
    report = import_paths(db, [files])
    assert (report.messages, report.errors) == (4, ())
    options = ImportOptions(format="acme-too")
    assert import_paths(db, [files / "one.acme"], options).errors == ()
    assert {"acme", "acme-too"} <= {place.format for place in survey()}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("1 / 0", "cannot be used: ZeroDivisionError: division by zero"),
        ("import no_such_module_at_all", "cannot be used: ModuleNotFoundError: No module named"),
        ("import sys; sys.exit(3)", "cannot be used: SystemExit: 3"),
        ("name = 'claude-code'", "there is a format named 'claude-code' already"),
        ("name = None", "its name is no text"),
        ("title = ''", "its title is no text"),
        ("source = 5", "its source is neither a text nor None"),
        ("read = None", "it has no read()"),
        ("exact = 'yes'", "its exact is neither True nor False"),
        ("sidecars = '-wal'", "its sidecars are no tuple of texts"),
        ("def __init__(self, more): pass", "cannot be used: TypeError:"),
    ],
)
def test_what_cannot_be_used_is_left_out_and_told(
    db: sqlite_utils.Database, other_packages: Path, files: Path, body: str, error: str
) -> None:
    module(other_packages, "acme_broken", body)
    install(other_packages, "glin-broken", "acme_broken:Theirs")
    sys.modules.pop("acme_broken", None)
    for _ in range(2):
        report = import_paths(db, [files])
        (problem,) = report.errors
        assert (problem.path, problem.line) == ("importer glin-broken (glin-broken)", None)
        assert error in problem.error and "\n" not in problem.error
    assert len(query_conversations(db)) == 1


def test_an_entry_point_may_name_anything(
    db: sqlite_utils.Database, other_packages: Path, files: Path
) -> None:
    install(other_packages, "glin-path", "os:path")
    install(other_packages, "glin-none", "os:no_such_name")
    told = {problem.path: problem.error for problem in import_paths(db, [files]).errors}
    assert told["importer glin-path (glin-path)"].endswith("its name is no text")
    assert "AttributeError" in told["importer glin-none (glin-none)"]


def test_the_second_of_two_with_one_name_is_left_out(
    db: sqlite_utils.Database, other_packages: Path, files: Path
) -> None:
    module(other_packages, "acme_one", "")
    install(other_packages, "glin-one", "acme_one:Theirs")
    install(other_packages, "glin-two", "acme_one:Theirs")
    report = import_paths(db, [files])
    assert report.messages == 4
    assert [problem.path for problem in report.errors] == ["importer glin-two (glin-two)"]


def test_an_answer_that_raises_is_a_no_and_told_once(
    db: sqlite_utils.Database, other_packages: Path, files: Path
) -> None:
    names = ("places(self)", "matches(self, path)", "identify(self, path, head)")
    body = "".join(f"def {name}: raise ValueError('oh\\n no')\n" for name in names)
    module(other_packages, "acme_raises", body)
    install(other_packages, "glin-raises", "acme_raises:Theirs")
    import_paths(db)
    report = import_paths(db, [files, files / "one.acme"])
    assert report.messages == 2
    assert [(Path(each.path).name, each.error) for each in report.errors] == [
        ("one.acme", "is of no known format"),
        # The first of them: a report has one error for each path.
        ("importer glin-raises (glin-raises)", "places() failed: ValueError: oh no"),
    ]
    told = [broken.error.partition("(")[0] for broken in importers.broken_importers()]
    assert sorted(told) == ["identify", "matches", "places"]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("raise ValueError('no\\nsuch thing')", "ValueError: no such thing"),
        ("raise KeyError", "KeyError"),
        ("import sqlite3; raise sqlite3.OperationalError('locked')", "OperationalError: locked"),
        ("raise RecursionError('deep')", "RecursionError: deep"),
        ("yield 5", "TypeError: int is no item"),
        ("yield Said('another', Message(role='user'))", "KeyError: 'another'"),
        ("yield Said(conversation, Message(role='user', content=None))", "TypeError"),
        ("yield Said(conversation, Message(role=None, content=line))", "IntegrityError"),
        ("yield Said(conversation, Message(role='user', model={}))", "type 'dict'"),
        ("yield Conversation(source='acme', source_id='x', title='\\ud800')\n"
         "yield Said('x', Message(role='user'))", "half of a surrogate pair"),
        ("yield Said(conversation, Message(role='user', token_in=2**70))", "OverflowError"),
    ],
)  # fmt: skip
def test_a_reading_that_fails_is_rolled_back_and_the_others_are_imported(
    db: sqlite_utils.Database, other_packages: Path, files: Path, line: str, error: str
) -> None:
    ours = "from glin_datasette.importers.base import *\nfrom glin_datasette.models import *\n"
    said = "    ".join(f"{each}\n" for each in ["", *line.splitlines()])
    module(
        other_packages,
        "acme_fails",
        f"def items(self, conversation, line):\n    yield from super().items(conversation, line)\n"
        f"    if line == 'second':\n    {said.replace(chr(10) + '    ', chr(10) + '        ')}",
    )
    path = other_packages / "acme_fails.py"
    path.write_text(ours + path.read_text())
    sys.modules.pop("acme_fails", None)
    install(other_packages, "glin-fails", "acme_fails:Theirs")
    report = import_paths(db, [files])
    (problem,) = report.errors
    assert (problem.path, problem.line) == (str(files / "one.acme"), None)
    assert problem.error.startswith("the importer acme failed: ")
    assert error in problem.error and "\n" not in problem.error
    assert [c.source for c in query_conversations(db)] == ["claude-code"]
    assert (report.files, report.messages) == (2, 2)
    assert db.execute("select count(*) from import_files").fetchone() == (1,)
    assert check(db, deep=True).status != "fail"


def test_one_that_raises_ends_with_status_1(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "acme_late.py").write_text("raise ValueError('at noon')\n")
    install(tmp_path, "glin-late", "acme_late:Theirs")
    log = tmp_path / "a.parley"
    log.write_text(PARLEY)
    done = run(Path(f"{tmp_path}{os.pathsep}{installed}"), "import", log)
    assert done.returncode == 1
    assert "importer glin-late (glin-late): cannot be used: ValueError: at noon" in done.stderr
    assert "Traceback" not in done.stderr
    assert "2 messages" in done.stdout


def test_an_importer_of_ours_that_fails_is_no_traceback_either(
    db: sqlite_utils.Database, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from glin_datasette.importers.glin import GlinImporter

    def read(self: Importer, path: Path, start: Checkpoint) -> Iterator[Item]:
        yield Skipped(1, "so far, so good")
        raise ZeroDivisionError

    monkeypatch.setattr(GlinImporter, "read", read)
    assert import_paths(db, [files]).errors == (
        Problem(str(files / "export.jsonl"), None, "the importer glin failed: ZeroDivisionError"),
    )
    assert query_messages(db) == []
