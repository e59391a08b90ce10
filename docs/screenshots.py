"""Take the pictures in docs/images: a real server, a real browser, the packaged samples.

Run by ``make screenshots``; needs Chromium on PATH.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

IMAGES = Path(__file__).parent / "images"

#: Name of the picture -> path of the page.
PAGES = {"search": "/glin/search_messages?q=map"}


def main() -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        sys.exit("Chromium is needed to take pictures, and is not on PATH")
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "GLIN_DATA_DIR": folder, "PYTHONUNBUFFERED": "1"}
        glin = [sys.executable, "-m", "glin_datasette"]
        subprocess.run([*glin, "import", "--samples"], env=env, check=True)
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


def _shoot(chromium: str, url: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1500, "height": 1050})
        for name, path in PAGES.items():
            page.goto(url + path)
            page.screenshot(path=IMAGES / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
