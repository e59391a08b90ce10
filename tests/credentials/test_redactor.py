"""Replacing credentials: all of them, nothing else, and once."""

from __future__ import annotations

import pytest
from credential_samples import in_context, made_up, negatives, private_key, provider_tokens
from hypothesis import example, given, settings
from hypothesis import strategies as st

from glin_datasette.credentials import Redactor
from glin_datasette.credentials.detector import find

TOKENS = [text for texts in provider_tokens().values() for text in texts]
CASES = in_context()
redact = Redactor()


def test_a_mark_tells_what_was_there_and_the_name_stays() -> None:
    value = made_up(24)
    assert redact(f"API_KEY={value} # mine") == ("API_KEY=[redacted: API key] # mine", 1)
    assert redact(f'{{"password": "{value}", "port": 1}}') == (
        '{"password": "[redacted: password]", "port": 1}',
        1,
    )
    assert redact(f"postgres://ada:{value}@example.org/x") == (
        "postgres://ada:[redacted: password in a URL]@example.org/x",
        1,
    )
    assert redact(f"key:\n{private_key()}\ndone") == ("key:\n[redacted: private key]\ndone", 1)


@pytest.mark.parametrize(("kind", "text", "value"), CASES)
def test_nothing_of_it_is_left(kind: str, text: str, value: str) -> None:
    cleaned, count = redact(text)
    assert (value in cleaned, count) == (False, 1)
    assert cleaned == text.replace(value, f"[redacted: {kind}]", 1)
    assert redact(cleaned) == (cleaned, 0)


def test_many_at_once() -> None:
    cleaned, count = redact("\n".join(TOKENS))
    assert count == len(TOKENS)
    assert [token for token in TOKENS if token in cleaned] == []
    assert redact(cleaned) == (cleaned, 0)


@pytest.mark.parametrize("text", negatives(), ids=lambda text: text[:40])
def test_all_else_stays_as_it_is(text: str) -> None:
    assert redact(text) == (text, 0)


#: Text that is made of credentials, their names, marks and what may stand between.
PIECES = st.sampled_from(
    [
        *TOKENS, *(text for _, text, _ in CASES), *(value for _, _, value in CASES),
        "password", "token", "API_KEY", "=", ": ", '"', "'", "\n", "\\n", " ", "://", "@", "--",
        "[redacted: token]", "[redacted: ", "]", "Bearer ", "\u0130", "\ud800", "…",
    ]
)  # fmt: skip


@given(st.lists(PIECES, max_size=8).map("".join) | st.text())
@example("[redacted: token]" * 3)
@settings(max_examples=300)
def test_again_changes_nothing(text: str) -> None:
    cleaned, count = redact(text)
    assert list(find(cleaned)) == []
    assert redact(cleaned) == (cleaned, 0)
    assert (count == 0) is (cleaned == text)
