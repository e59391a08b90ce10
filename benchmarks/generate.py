"""Transcripts for measuring: invented, the same on every run, shaped like Claude Code's.

Words follow Zipf's law, so that a few stand almost everywhere and most are rare, as in real
text. Four marker words stand in a known share of the messages.
"""

from __future__ import annotations

import itertools
import json
import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

#: Word -> the share of messages that hold it.
MARKERS = {"quokka": 0.0001, "walrus": 0.01, "badger": 0.1, "sparrow": 0.5}

MESSAGES_PER_SESSION = 200
WORDS_PER_MESSAGE = 60

_SYLLABLES = ("ba", "ce", "di", "fo", "gu", "ka", "le", "mi", "no", "pu", "ra", "se", "ti", "vo")
_VOCABULARY = ["".join(parts) for parts in itertools.product(_SYLLABLES, repeat=3)]
_WEIGHTS = list(itertools.accumulate(1 / (rank + 1) for rank in range(len(_VOCABULARY))))
_START = datetime(2026, 1, 1, tzinfo=UTC)


def write_transcripts(folder: Path, messages: int) -> None:
    """Write sessions with ``messages`` messages in all below ``folder``, as Claude Code's
    ``projects`` folder holds them."""
    numbers = random.Random(1)
    project = folder / "-home-someone-bench"
    project.mkdir(parents=True)
    for first in range(0, messages, MESSAGES_PER_SESSION):
        session = _uuid(numbers)
        count = min(MESSAGES_PER_SESSION, messages - first)
        with (project / f"{session}.jsonl").open("w", encoding="utf-8") as file:
            for record in _session(numbers, session, first, count):
                file.write(json.dumps(record, separators=(",", ":")) + "\n")


def _session(
    numbers: random.Random, session: str, first: int, count: int
) -> Iterator[dict[str, Any]]:
    """A prompt, a reply, a tool call and its result, again and again."""
    parent = None
    for number in range(first, first + count):
        record = {
            "parentUuid": parent,
            "isSidechain": False,
            "userType": "external",
            "cwd": "/home/someone/bench",
            "sessionId": session,
            "version": "2.1.0",
            "gitBranch": "main",
            "uuid": _uuid(numbers),
            "timestamp": (_START + timedelta(seconds=20 * number)).isoformat(
                timespec="milliseconds"
            ),
            **_said(numbers, number),
        }
        parent = record["uuid"]
        yield record


def _said(numbers: random.Random, number: int) -> dict[str, Any]:
    text = _text(numbers)
    turn = number % 4
    if turn == 0:
        return {"type": "user", "message": {"role": "user", "content": text}}
    if turn == 3:
        result = {"type": "tool_result", "tool_use_id": f"tool_{number - 1}", "content": text}
        return {"type": "user", "message": {"role": "user", "content": [result]}}
    block: dict[str, Any] = {"type": "text", "text": text}
    if turn == 2:
        path = f"/home/someone/bench/src/module{number % 97}.py"
        block = {
            "type": "tool_use",
            "id": f"tool_{number}",
            "name": "Write",
            "input": {"file_path": path, "content": text},
        }
    reply = {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": "claude-bench",
        "content": [block],
        "usage": {"input_tokens": 1000 + number % 100, "output_tokens": 80},
    }
    return {"type": "assistant", "requestId": f"req_{number}", "message": reply}


def _text(numbers: random.Random) -> str:
    words = numbers.choices(_VOCABULARY, cum_weights=_WEIGHTS, k=WORDS_PER_MESSAGE)
    words += [word for word, share in MARKERS.items() if numbers.random() < share]
    return " ".join(words)


def _uuid(numbers: random.Random) -> str:
    return str(uuid.UUID(int=numbers.getrandbits(128), version=4))
