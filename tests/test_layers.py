"""The house rules that keep the layers apart: who may import whom, and where SQL may be."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import glin_datasette
from glin_datasette import paths
from glin_datasette.storage import get_db

PACKAGE = Path(paths.__file__).parent

BASE = {"models", "errors", "paths"}
BELOW_RENDER = {"lazy", "models", "errors", "dates", "tool_input", "resume"}
BELOW_IMPORTERS = {"models", "errors", "paths", "dates", "tool_input", "generated_ids", "sizes"}
BELOW_SEARCH = BASE | {"dates", "generated_ids", "storage", "queries"}
BELOW_TOP = BELOW_SEARCH | {
    "dates",
    "language",
    "importers",
    "search",
    "ingest",
    "export",
    "render",
    "credentials",
    "resume",
    "sizes",
    "tool_input",
    "replication",
    "access",
}

#: What each part of the package may import of the others. `__init__` is the public API.
MAY_IMPORT = {
    "models": {"lazy"},
    "errors": set(),
    "paths": {"errors"},
    "access": BASE | {"dates"},
    "importers": BELOW_IMPORTERS,
    "queries": {"models", "errors", "dates"},
    "storage": BASE | {"dates", "generated_ids", "lazy", "queries"},
    "dates": {"errors"},
    "generated_ids": set(),
    "lazy": set(),
    "resume": {"models"},
    "tool_input": set(),
    "sizes": set(),
    "language": {"dates", "errors", "models"},
    "search": BELOW_SEARCH | {"language"},
    "render": BELOW_RENDER,
    "credentials": BELOW_SEARCH,
    "ingest": BELOW_SEARCH | {"importers", "credentials"},
    "export": BELOW_SEARCH | {"importers", "render"},
    "replication": BASE | {"dates", "storage"},
    "__init__": BELOW_TOP | {"lazy"},
    "__main__": {"cli"},
    "plugin": BELOW_TOP | {"__init__"},
    "cli": BELOW_TOP | {"__init__"},
}

#: Beyond that, with the reason.
EXCEPTIONS = {
    # `datasette glin …` is the command line; imported inside the hook, so that a server
    # never loads it.
    ("plugin/__init__.py", "cli"),
}

#: Third-party packages; the standard library is everybody's.
MAY_USE = {
    "models": set(),
    "errors": set(),
    "paths": {"platformdirs"},
    "access": set(),
    "importers": set(),
    "queries": set(),
    "dates": set(),
    "sizes": set(),
    "generated_ids": set(),
    "lazy": set(),
    "resume": set(),
    "tool_input": set(),
    "language": set(),
    "storage": {"sqlite_utils", "zstandard"},
    "search": {"sqlite_utils"},
    "render": {"markdown_it", "markupsafe", "pygments"},
    "credentials": {"sqlite_utils", "detect_secrets"},
    "ingest": {"sqlite_utils", "watchdog"},
    "export": {"sqlite_utils"},
    "replication": set(),
    "__init__": {"sqlite_utils"},
    "__main__": set(),
    "plugin": {"sqlite_utils", "datasette", "yaml", "markupsafe", "click", "prometheus_client"},
    "cli": {"sqlite_utils", "datasette", "click"},
}


def modules() -> Iterator[tuple[str, str, ast.Module]]:
    """(part, path inside the package, syntax tree) of every module that we wrote."""
    for file in sorted(PACKAGE.rglob("*.py")):
        relative = file.relative_to(PACKAGE)
        part = relative.parts[0].removesuffix(".py")
        # In an installed package it lies inside; it stands on its own, tested below.
        if part != "migrations":
            yield part, relative.as_posix(), ast.parse(file.read_text("utf-8"))


def imports(path: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, absolute dotted name) of everything that a module imports, at any depth."""
    package = ["glin_datasette", *Path(path).parts[:-1]]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                yield node.lineno, f"{module}.{alias.name}"


def part_of(name: str) -> str:
    """The part of our package that a dotted name belongs to."""
    inside = name.split(".")[1]
    return inside if inside in MAY_IMPORT else "__init__"


def test_every_part_has_its_rules() -> None:
    assert {part for part, _, _ in modules()} <= set(MAY_IMPORT)
    assert set(MAY_IMPORT) == set(MAY_USE)


def test_parts_import_only_what_lies_below_them() -> None:
    wrong = [
        f"{path}:{line} imports {name}"
        for part, path, tree in modules()
        for line, name in imports(path, tree)
        if name.split(".")[0] == "glin_datasette"
        and part_of(name) not in MAY_IMPORT[part] | {part}
        and (path, part_of(name)) not in EXCEPTIONS
    ]
    assert wrong == []


def test_parts_use_only_their_third_party_packages() -> None:
    allowed = sys.stdlib_module_names | {"glin_datasette", "__future__"}
    wrong = [
        f"{path}:{line} imports {name}"
        for part, path, tree in modules()
        for line, name in imports(path, tree)
        if name.split(".")[0] not in allowed | MAY_USE[part]
    ]
    assert wrong == []


def test_the_command_line_is_imported_inside_its_hook() -> None:
    tree = ast.parse((PACKAGE / "plugin" / "__init__.py").read_text("utf-8"))
    top_level = ast.Module(
        [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)], []
    )
    names = [part_of(n) for _, n in imports("plugin/__init__.py", top_level) if "glin_" in n]
    assert "cli" not in names


def test_the_migrations_stand_on_their_own() -> None:
    tree = ast.parse((paths.migrations_dir() / "migrations.py").read_text("utf-8"))
    names = {
        alias.name if isinstance(node, ast.Import) else f"{'.' * node.level}{node.module}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert {n.split(".")[0] for n in names} <= sys.stdlib_module_names | {"sqlite_utils"}


# A statement and what must follow its first word, so that English stays English.
SQL = re.compile(
    r"""^\s*(?:
        select\s.+\sfrom\s | insert\s+(?:or\s+\w+\s+)?into\s | update\s+\S+\s+set\s
      | delete\s+from\s | (?:create|drop|alter)\s+(?:table|index|view|trigger|virtual)\s
      | pragma\s+\w | with\s+\w+\s+as\s*\( | begin\s+(?:immediate|exclusive) | vacuum\b
    )""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)

#: Modules of `cli` and `plugin` that may hold SQL, with the reason.
MAY_HOLD_SQL = {
    # Datasette asks a facet and a filter for SQL text that it puts into its own statement.
    "plugin/facets.py",
}


def text_of(node: ast.AST) -> str | None:
    """The text of a string literal; an f-string's holes count as one letter."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(value) or "x" for value in node.values)
    return None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("select id from messages", True),
        ("\n  SELECT a,\n b\n FROM t", True),
        ("PRAGMA quick_check", True),
        ("Select a conversation", False),
        ("Update it with pip", False),
        ("with --db", False),
    ],
)
def test_sql_is_told_from_english(text: str, expected: bool) -> None:
    assert bool(SQL.search(text)) is expected


def test_no_sql_above_the_storage() -> None:
    wrong = [
        f"{path}:{node.lineno}"
        for part, path, tree in modules()
        if part in {"cli", "plugin"} and path not in MAY_HOLD_SQL
        for node in ast.walk(tree)
        if isinstance(node, ast.expr) and SQL.search(text_of(node) or "")
    ]
    assert wrong == []


def all_modules() -> list[str]:
    found = pkgutil.walk_packages([str(PACKAGE)], "glin_datasette.")
    return [m.name for m in found if not m.name.endswith((".__main__", ".migrations"))]


@pytest.mark.parametrize("name", ["glin_datasette", *all_modules()])
def test_all_tells_the_public_names(name: str) -> None:
    """``__all__`` is sorted, and true: each name is there, and none is private."""
    module = importlib.import_module(name)
    exported = getattr(module, "__all__", None)
    if exported is None:
        return
    assert len(set(exported)) == len(exported)
    assert [n for n in exported if not hasattr(module, n)] == []
    assert [n for n in exported if n.startswith("_") and n != "__version__"] == []


@pytest.mark.parametrize("name", ["models", "errors", "paths", "storage", "importers.base"])
def test_all_leaves_no_public_name_out(name: str) -> None:
    module = importlib.import_module(f"glin_datasette.{name}")
    inside = f"glin_datasette.{name}"
    defined = {
        key
        for key, value in vars(module).items()
        if not key.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__.startswith(inside)
    }
    assert defined - set(module.__all__) == set()


@pytest.mark.parametrize("package", ["", "models", "storage", "render"])
def test_what_is_loaded_when_it_is_used_is_what_type_checkers_see(package: str) -> None:
    module = importlib.import_module(f"glin_datasette.{package}".rstrip("."))
    tree = ast.parse((PACKAGE / package / "__init__.py").read_text("utf-8"))
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    homes = {name: home for home, names in module._HOMES.items() for name in names.split()}
    assert homes == seen
    assert set(homes) == set(module.__all__) - {"__version__"}
    # A module that is loaded becomes a name of its package, and would hide the other.
    assert set(homes) & {m.name for m in pkgutil.iter_modules(module.__path__)} == set()
    with pytest.raises(AttributeError, match=f"{package}.*no attribute 'nothing'"):
        _ = module.nothing


def test_the_public_api_is_documented_where_it_is_defined() -> None:
    bare = [
        name
        for name in glin_datasette.__all__
        if callable(value := getattr(glin_datasette, name)) and not inspect.getdoc(value)
    ]
    assert bare == []


def run_python(code: str, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *args], capture_output=True, text=True, check=False
    )


# sqlite_utils itself imports click, so it comes first.
BLOCKER = """
import sys
import sqlite_utils

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"click", "datasette"}:
            raise ImportError("blocked: " + name)

sys.meta_path.insert(0, Blocker())
for name in list(sys.modules):
    if name.split(".")[0] in {"click", "datasette"}:
        del sys.modules[name]
"""


def test_storage_works_without_datasette_and_click(tmp_path: Path) -> None:
    code = BLOCKER + (
        "from glin_datasette.models import Conversation, Message\n"
        "from glin_datasette.storage import get_db, insert_conversation, insert_message\n"
        "from glin_datasette.storage import query_messages\n"
        "with get_db(sys.argv[1]) as db:\n"
        "    id = insert_conversation(db, Conversation(source='s', source_id='1'))\n"
        "    insert_message(db, id, Message(role='user', content='hello'))\n"
        "    print([m.content for m in query_messages(db)])\n"
        "try:\n"
        "    import click\n"
        "except ImportError as ex:\n"
        "    print(ex)\n"
    )
    done = run_python(code, str(tmp_path / "a.db"))
    assert done.stderr == ""
    assert done.stdout == "['hello']\nblocked: click\n"


def loaded_by(*args: str) -> set[str]:
    """The modules that a command loads."""
    code = (
        "import sys\n"
        "from glin_datasette.cli import main\n"
        "main(sys.argv[1:], standalone_mode=False)\n"
        "print(*sorted(sys.modules))\n"
    )
    done = run_python(code, *args)
    assert done.stderr == ""
    return set(done.stdout.splitlines()[-1].split())


#: What takes long to load, and is not what a command is about.
HEAVY = {
    "--version": {"datasette", "sqlite_utils", "importlib.metadata", "glin_datasette.models"},
    "--help": {"datasette", "sqlite_utils", "importlib.metadata", "glin_datasette.models"},
    "search word": {"datasette", "markdown_it", "pygments", "glin_datasette.storage.backups"},
    "list": {"datasette", "markdown_it", "pygments", "glin_datasette.storage.backups"},
    "stats": {"datasette", "markdown_it", "pygments", "glin_datasette.storage.backups"},
    "query recent": {"datasette", "markdown_it", "pygments", "glin_datasette.storage.backups"},
    "import --list": {"datasette", "markdown_it", "pygments"},
    "backup --list": {"datasette", "markdown_it", "pygments", "glin_datasette.importers"},
}


@pytest.mark.parametrize("command", HEAVY)
def test_commands_load_only_what_they_need(command: str, tmp_path: Path) -> None:
    with get_db(tmp_path / "glin.db"):
        pass
    loaded = loaded_by("--db", str(tmp_path / "glin.db"), *command.split())
    assert "click" in loaded
    assert loaded & HEAVY[command] == set()


#: What an import of files that it knows needs of the importers: no module below a format's
#: package but those that say where its files are.
WHERE = {"glin_datasette.importers.cursor.places", "glin_datasette.importers.opencode.layout"} | {
    "glin_datasette.importers.opencode.places"
}
#: What reads files, shapes what they hold and writes it.
READING = {
    "glin_datasette.credentials",
    "glin_datasette.importers.documents",
    "glin_datasette.importers.jsonl",
    "glin_datasette.importers.session",
    "glin_datasette.importers.sqlite_file",
    "glin_datasette.importers.third_party",
    "glin_datasette.ingest.loading",
    "glin_datasette.storage.load",
    "importlib.metadata",
}


def test_an_import_loads_only_the_formats_that_it_reads(tmp_path: Path) -> None:
    formats = {
        name for name in all_modules() if re.match(r"glin_datasette\.importers\.\w+\.", name)
    }
    session = {"type": "user", "uuid": "1", "sessionId": "1", "message": {"content": "Hello"}}
    (tmp_path / "session.jsonl").write_text(json.dumps(session) + "\n")
    command = ("--db", str(tmp_path / "a.db"), "import", str(tmp_path / "session.jsonl"))
    first = loaded_by(*command)
    assert "glin_datasette.importers.claude_code.reader" in first
    read = {name for name in first & formats if ".claude_code." not in name}
    assert {name for name in read if not name.endswith(".identify")} <= WHERE
    again = loaded_by(*command)
    assert again & (formats | READING) <= WHERE
