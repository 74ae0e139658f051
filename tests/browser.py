"""A headless Chromium that a test drives: it opens pages and runs scripts in them.

It speaks the Chrome DevTools Protocol over a pair of pipes, one JSON message after the other, each
followed by a NUL byte.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any

# Where a Chromium started with --remote-debugging-pipe reads commands and writes answers.
COMMANDS, ANSWERS = 3, 4


class Browser:
    """A browser with a profile of its own. It ends with the `with` block."""

    def __init__(self, chromium: str, profile: Path) -> None:
        """Start it."""
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        self._messages = os.fdopen(self._answers, "rb")
        self._last = 0
        # The sessions whose pages have been loaded.
        self._loaded: set[str] = set()
        shell = f'exec "$@" {COMMANDS}<&{commands} {ANSWERS}>&{answers}'
        self._process = subprocess.Popen(
            # bash, for descriptor numbers of two digits.
            ["bash", "-c", shell, "bash", chromium]
            + ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
            + ["--no-first-run", "--remote-debugging-pipe", f"--user-data-dir={profile}"],
            pass_fds=(commands, answers),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(answers)

    def open(self, url: str) -> Page:
        """Open a page in a tab of its own, and wait until it has been loaded."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable", session)
        self._loaded.discard(session)
        self.call("Page.navigate", session, url=url)
        while session not in self._loaded:
            self._message()
        return Page(self, session)

    def call(self, method: str, session: str | None = None, **parameters: object) -> Any:
        """Give a command and wait for its answer."""
        self._last += 1
        command: dict[str, object] = {"id": self._last, "method": method, "params": parameters}
        if session is not None:
            command["sessionId"] = session
        os.write(self._commands, json.dumps(command).encode() + b"\0")
        while (message := self._message()).get("id") != self._last:
            pass
        assert "error" not in message, message["error"]
        return message["result"]

    def _message(self) -> dict[str, Any]:
        """Read the next message: an answer, or something that has happened."""
        text = bytearray()
        while (byte := self._messages.read(1)) != b"\0":
            assert byte, f"the browser has ended, with exit code {self._process.wait(20)}"
            text += byte
        message: dict[str, Any] = json.loads(text)
        if message.get("method") == "Page.loadEventFired":
            self._loaded.add(message["sessionId"])
        return message

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Without its pipe the browser ends, its children with it.
        os.close(self._commands)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(20)
        self._messages.close()


class Page:
    """A tab."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self.session = session

    def run(self, script: str) -> Any:
        """Run the body of an async function in the page and return what it returns."""
        result = self._browser.call(
            "Runtime.evaluate",
            self.session,
            expression=f"(async () => {{ {script} }})()",
            awaitPromise=True,
            returnByValue=True,
        )
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")
