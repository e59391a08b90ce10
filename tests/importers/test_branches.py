"""A tree of messages becomes ways through it: every message once, whatever the tree is."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glin_datasette.importers.branches import paths

NAMES = st.sampled_from("abcdefgh")
TREES = st.dictionaries(NAMES, NAMES | st.none() | st.just("gone"), max_size=8)
TIMES = st.dictionaries(NAMES, st.sampled_from(["1", "2", "3"]) | st.none())


def tree(text: str) -> dict[str, str | None]:
    """``b<a c<a``: b and c answer a."""
    pairs = (each.partition("<") for each in text.split())
    return {name: parent or None for name, _, parent in pairs}


@pytest.mark.parametrize(
    ("text", "leaf", "expected"),
    [
        ("", None, []),
        ("", "a", []),
        ("a", None, ["a"]),
        ("a b<a c<b", "c", ["abc"]),
        # An answer that was asked for again; without a leaf the newest one is shown.
        ("a b<a c<a", "b", ["ab", "c"]),
        ("a b<a c<a", None, ["ac", "b"]),
        ("a b<a c<a", "gone", ["ac", "b"]),
        # A prompt that was edited, the first one too.
        ("a b<a c<b d<a e<d", "c", ["abc", "de"]),
        ("a b<a c d<c", "d", ["cd", "ab"]),
        # A branch that has branches itself.
        ("a b<a c<b d<b e<a", "e", ["ae", "bd", "c"]),
        # What is shown ends where it is said to end.
        ("a b<a c<b", "b", ["ab", "c"]),
        # Damage: a parent that is not there, and a circle.
        ("b<gone c<b", "c", ["bc"]),
        ("a b<a c<gone d<c", "d", ["cd", "ab"]),
        ("a<b b<a", "b", ["ab"]),
        ("a<a", "a", ["a"]),
        ("a b<a c<d d<c", "b", ["ab", "cd"]),
    ],
)
def test_ways(text: str, leaf: str | None, expected: list[str]) -> None:
    assert ["".join(way) for way in paths(tree(text), {}, leaf)] == expected


def test_the_newest_is_the_one_that_was_said_last() -> None:
    answers = tree("a b<a c<a")
    assert paths(answers, {"b": "2", "c": "1"}, None)[0] == ["a", "b"]
    assert paths(answers, {"b": "1", "c": "2"}, None)[0] == ["a", "c"]
    # One without a time is as old as what it answers.
    assert paths(answers, {"a": "1", "b": "2"}, None)[0] == ["a", "b"]
    assert paths(tree("a b<a c<b d<a"), {"b": "3", "d": "2"}, None)[0] == ["a", "b", "c"]


@given(TREES, TIMES, NAMES | st.none())
def test_each_message_is_in_one_way(
    parents: dict[str, str | None], times: dict[str, str | None], leaf: str | None
) -> None:
    found = paths(parents, times, leaf)
    assert sorted(name for way in found for name in way) == sorted(parents)
    assert all(way for way in found)
    for way in found:
        assert all(parents[below] == above for above, below in pairwise(way))
    if leaf in parents:
        assert found[0][-1] == leaf


def test_a_long_conversation_with_many_branches_takes_no_time() -> None:
    parents: dict[str, str | None] = {"m0": None}
    for n in range(1, 20_000):
        parents[f"m{n}"] = f"m{n - 1}"
        parents[f"b{n}"] = f"m{n - 1}"
    found = paths(parents, {}, "m19999")
    assert (len(found), len(found[0])) == (20_000, 20_000)
