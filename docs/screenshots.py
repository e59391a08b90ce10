"""Take the pictures in docs/images: a real server, a real browser, the packaged samples, and
a year of invented conversations around them.

Run by ``make screenshots``; needs Chromium on PATH.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

IMAGES = Path(__file__).parent / "images"

#: Name of the picture -> path of the page.
PAGES = {"front": "/-/glin", "search": "/-/glin/search?q=map"}

SOURCES = ("claude-code", "claude-code", "claude-code", "codex", "codex", "gemini", "llm")
MODELS = {
    "claude-code": "claude-opus-4-5",
    "codex": "gpt-5-codex",
    "gemini": "gemini-2.5-pro",
    "llm": "gpt-5-mini",
}
REPOS = ("lantern", "heron", "tidewater", "almanac", "harbour")
TAGS = ("bug", "decision", "release", "performance", "docs")
THINGS = ("the parser", "the cache", "the index page", "the build", "the importer", "the chart")
TITLES = (
    "Why is {} slow on Mondays?",
    "Write a test for {} first",
    "Move {} out of the request",
    "Find out who still uses {}",
    "{} forgets its last line",
    "Simplify {}",
)


def main() -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        sys.exit("Chromium is needed to take pictures, and is not on PATH")
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "GLIN_DATA_DIR": folder, "PYTHONUNBUFFERED": "1"}
        glin = [sys.executable, "-m", "glin_datasette"]
        subprocess.run([*glin, "import", "--samples"], env=env, check=True)
        year = Path(folder, "year.jsonl")
        year.write_text("".join(f"{json.dumps(row)}\n" for row in _year()))
        subprocess.run([*glin, "import", "--format", "messages", year], env=env, check=True)
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        server = subprocess.Popen(
            [*glin, "serve", "--port", str(port)],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            assert server.stdout
            while "Uvicorn running" not in (line := server.stdout.readline()):
                if not line:
                    sys.exit("The server did not start; try 'glin-datasette serve'")
            _shoot(chromium, f"http://127.0.0.1:{port}")
        finally:
            server.terminate()
            server.wait()


def _year() -> Iterator[dict[str, Any]]:
    """Messages of a year of conversations; the same ones on every day that this is run."""
    dice = random.Random(4)
    today = datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0)
    for ago in range(364):
        day = today - timedelta(days=ago)
        busy = 0.75 if day.weekday() < 5 else 0.15
        for number in range(dice.choice((1, 1, 2, 3)) if dice.random() < busy else 0):
            source = dice.choice(SOURCES)
            title = dice.choice(TITLES).format(dice.choice(THINGS))
            conversation = {
                "conversation": f"{ago}-{number}",
                "source": source,
                "title": title[0].upper() + title[1:],
                "repo_root": f"/home/robin/projects/{dice.choice(REPOS)}",
                "conversation_tags": [dice.choice(TAGS)] if dice.random() < 0.2 else [],
            }
            for turn in range(dice.randrange(4, 60)):
                moment = day + timedelta(hours=number, seconds=40 * turn)
                reply = {
                    "model": MODELS[source],
                    "token_in": dice.randrange(2_000, 60_000),
                    "token_out": dice.randrange(50, 900),
                }
                yield {
                    **conversation,
                    "role": "assistant" if turn % 2 else "user",
                    "content": f"{dice.choice(THINGS)}, step {turn}",
                    "ts": moment.isoformat(),
                    **(reply if turn % 2 else {}),
                }


def _shoot(chromium: str, url: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        for name, path in PAGES.items():
            page.goto(url + path)
            page.screenshot(path=IMAGES / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
