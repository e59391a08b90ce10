"""Finding credentials: what is one, what is none, and in what time."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from credential_samples import in_context, jwt, made_up, negatives, private_key, provider_tokens
from hypothesis import example, given
from hypothesis import strategies as st

from glin_datasette.credentials.detector import find, fold

TOKENS = [(kind, text) for kind, texts in provider_tokens().items() for text in texts]

#: What may stand around a token.
AROUND = ["{}", "it is {} now", '"{}"', "KEY={}\n", "\\n{}\\n", "`{}`.", "({})", "{}…", "{}, and"]


def kinds(text: str) -> list[tuple[str, str]]:
    return [(each.kind, text[each.start : each.end]) for each in find(text)]


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize(("kind", "token"), TOKENS, ids=[kind for kind, _ in TOKENS])
def test_a_token_is_known_by_its_looks_and_all_of_it(kind: str, token: str, around: str) -> None:
    # Its rule asks for a quote or a space at each end.
    if kind == "Artifactory token" and not around.startswith(("{}\0", '"', "it")):
        return
    text = around.format(token)
    ((found, value),) = kinds(text)
    assert found == kind
    assert token in value
    assert len(value) - len(token) <= (2 if kind == "Artifactory token" else 0)


@pytest.mark.parametrize(("kind", "text", "value"), in_context())
def test_it_is_known_by_its_name(kind: str, text: str, value: str) -> None:
    assert kinds(text) == [(kind, value)]
    assert kinds(f"before\n{text}\nafter") == [(kind, value)]


@pytest.mark.parametrize("text", negatives(), ids=lambda text: text[:40])
def test_it_is_none(text: str) -> None:
    assert kinds(text) == []
    assert kinds(f"before\n  {text}\nafter") == []


def test_a_rule_for_one_service_tells_more_than_a_name() -> None:
    token = provider_tokens()["GitHub token"][0]
    assert kinds(f"API_KEY={token}") == [("GitHub token", token)]
    assert kinds(f"https://ada:{token}@example.org/tide.git") == [("GitHub token", token)]


def test_what_a_longer_value_begins_with_is_not_left_over() -> None:
    value = made_up(4000)
    assert kinds(f"SECRET={value}") == [("secret", value)]
    assert kinds(f'secret = "{value}"') == [("secret", value)]
    assert kinds(f"--token {value}") == [("token", value)]


def test_several_are_found_in_their_order() -> None:
    text = "\n".join(token for _, token in TOKENS)
    found = list(find(text))
    assert {each.kind for each in found} == {kind for kind, _ in TOKENS}
    assert found == sorted(found, key=lambda each: each.start)
    assert all(a.end <= b.start for a, b in pairwise(found))


def test_a_title_may_hold_the_beginning_of_one() -> None:
    text = f"Why is {jwt(40)}"[:200] + "…"
    assert kinds(text) == [("JSON Web Token", text[7:200])]


def test_a_key_without_its_end_is_found() -> None:
    key = private_key()
    cut = key[: len(key) // 2]
    assert kinds(f"cat id_rsa\n{cut}") == [("private key", cut)]
    ((_, value),) = kinds(f"{cut}\n\nThat is all of it, as far as I can see.")
    assert value.strip() == cut.strip()


def test_two_keys_are_two() -> None:
    key = private_key()
    assert kinds(f"{key}\n{key}") == [("private key", key)] * 2


def test_lower_case_keeps_every_place() -> None:
    letters = "".join(map(chr, range(sys.maxunicode + 1)))
    assert len(fold(letters)) == len(letters)
    assert "\u0130" in letters
    value = made_up(32)
    assert kinds(f"\u0130\u0130 token={value}") == [("token", value)]


@given(st.text())
@example("\u0130token='\u0130'")
@example("--token\ud800=\x00")
def test_any_text_has_findings_within_it(text: str) -> None:
    last = 0
    for each in find(text):
        assert last <= each.start < each.end <= len(text)
        last = each.end


KEY = "PRIVATE" + " KEY"

#: Pieces that begin something for one of the rules.
HOSTILE = [
    "sk-", "sk-ant-", "eyJ", "eyJ.", "eyJaaaaaaaaaa.", "://", "://a:b", "//_authToken=",
    "T3BlbkFJ sk-", f"BEGIN {KEY}", f"-----BEGIN {KEY}-----\n",
    f"BEGIN {KEY} A: b\n", f"{KEY}-----" + "A" * 20 + " BEGIN ",
    "PuTTY-User-" "Key-File-2 ", "bearer ", "bearer " + "a" * 17 + " ", "authorization: basic ",
    "token=", "token: a a", "key=",
    "secret:'", 'secret:"a', "password:a=", "--token ", "aws key '", "ibm_", "discord M",
    "twilio AC", "1:A", "123456789:A", "-us", "_live_", "sk_live_a", "AKIA", "xoxb-1-",
    "hooks.slack.com", "\\n", "'", "<", "[redacted: ", "0", "cloudant", "glpat-", "\u0130token=",
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_no_text_takes_for_ever(piece: str) -> None:
    """Where the time grew with the square of the length, this would not come to an end."""
    list(find(piece * (200_000 // len(piece))))


@pytest.mark.parametrize(
    "text",
    [
        "eyJ" + "a" * 1_000_000,
        "token='" + "a1" * 500_000,
        "bearer " + "a1" * 500_000,
        "password=" + "x1!" * 300_000,
        "://" + "a" * 1_000_000 + ":b@c",
        f"BEGIN RSA {KEY}-----\n" + "A1" * 500_000,
        "sk-" + "-" * 1_000_000,
        "token" + " " * 1_000_000,
        "xoxb" + "-1" * 500_000,
    ],
    ids=lambda text: text[:12],
)
def test_no_long_word_takes_for_ever(text: str) -> None:
    list(find(text))


def test_nothing_reaches_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **more: object) -> None:
        raise AssertionError("a socket was asked for")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    text = "\n".join([*(token for _, token in TOKENS), *(text for _, text, _ in in_context())])
    assert len(list(find(text))) >= len(TOKENS)


def test_the_rules_are_loaded_by_the_first_search_only() -> None:
    code = (
        "import sys\n"
        "from glin_datasette.credentials import Redactor\n"
        "from glin_datasette.ingest import import_paths\n"
        "print('detect_secrets' in sys.modules)\n"
        "print(Redactor()('nothing'))\n"
        "print('detect_secrets' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("False\n('nothing', 0)\nTrue\n", "")


def test_the_rules_are_run_without_what_verifies_them() -> None:
    from glin_datasette.credentials import rules

    for name in ("detector", "keywords", "rules"):
        source = (Path(rules.__file__).parent / f"{name}.py").read_text("utf-8")
        assert not re.search(r"\.verify\(|analyze_line|scan_line|scan_file", source)
