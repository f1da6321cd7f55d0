"""A real browser: Chromium without a screen, driven by WebDriver over plain HTTP on loopback."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_OPTIONS = ["--headless=new", "--disable-gpu", "--hide-scrollbars", "--host-resolver-rules=MAP * ~NOTFOUND"]


def missing() -> str:
    """What must be installed first; empty where all is there."""
    if not any(map(shutil.which, BROWSERS)) or not shutil.which("chromedriver"):
        return "no Chromium with its driver here: apt-get install chromium chromium-driver"
    return ""


class Browser:
    """One window. Used through `browsing`."""

    def __init__(self, address: str, width: int, height: int) -> None:
        self._address = address
        binary = next(filter(None, map(shutil.which, BROWSERS)))
        # Its own sandbox needs rights that root in a container does not have.
        options = [*_OPTIONS, f"--window-size={width},{height}", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
        chrome: dict[str, Any] = {"binary": binary, "args": options}
        if width < 500:  # no window may be as narrow as a phone, so a phone is what it says it is
            metrics = {"width": width, "height": height, "pixelRatio": 2, "touch": True}
            chrome["mobileEmulation"] = {"deviceMetrics": metrics}
        wanted = {"browserName": "chrome", "goog:chromeOptions": chrome, "goog:loggingPrefs": {"browser": "ALL"}}
        started = self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self._session = f"/session/{started['sessionId']}"

    def open(self, page: Path) -> None:
        """Loads a file."""
        self._call("POST", f"{self._session}/url", {"url": page.as_uri()})

    def run(self, script: str) -> Any:
        """What a script of the test returns; a page's own could not run."""
        return self._call("POST", f"{self._session}/execute/sync", {"script": script, "args": []})

    def screenshot(self) -> bytes:
        """A PNG of what is seen."""
        return base64.b64decode(self._call("GET", f"{self._session}/screenshot"))

    def complaints(self) -> list[Any]:
        """What the browser wrote to its console."""
        found: list[Any] = self._call("POST", f"{self._session}/se/log", {"type": "browser"})
        return found

    def close(self) -> None:
        """Ends the window."""
        self._call("DELETE", self._session)

    def _call(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self._address + path, data, {"Content-Type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)["value"]


@contextmanager
def browsing(width: int, height: int) -> Iterator[Browser]:
    """A window of this size in CSS pixels, for the length of the block."""
    driver = subprocess.Popen(
        ["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert driver.stdout is not None
        port = next(
            found[1] for line in driver.stdout if (found := re.search(r"started successfully on port (\d+)", line))
        )
        browser = Browser(f"http://127.0.0.1:{port}", width, height)
        try:
            yield browser
        finally:
            browser.close()
    finally:
        driver.terminate()
        driver.communicate(timeout=10)
