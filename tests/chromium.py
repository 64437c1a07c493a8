"""Chromium with a page that a test drives, by the DevTools protocol over two pipes: JSON, and a NUL behind each message."""

import json
import os
import select
import time
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync --disable-dev-shm-usage --window-size=1400,1000 --remote-debugging-pipe"
).split()
_DEADLINE = 60.0
# Asks again until an expression is true; then its value.
_AWAITED = """new Promise((found, lost) => {{
  const end = Date.now() + 40000;
  (function look() {{
    const value = {0};
    if (value) found(value);
    else if (Date.now() > end) lost(new Error("not within 40 s"));
    else setTimeout(look, 20);
  }})();
}})"""


class Page:
    """A page in a Chromium of its own; close it.

    Args:
        chromium: the path of Chromium.
        profile: a folder for what it keeps.

    Attributes:
        asked: the URLs that the page asked for, those that its policy blocked among them.
        complaints: errors and warnings in its console.
    """

    def __init__(self, chromium: str, profile: Path) -> None:
        commands, self._to = os.pipe()
        self._from, answers = os.pipe()
        # Chromium reads from 3 and writes to 4.
        actions: list[Any] = [(os.POSIX_SPAWN_DUP2, commands, 3), (os.POSIX_SPAWN_DUP2, answers, 4)]
        actions += [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_WRONLY, 0) for stream in (1, 2)]
        command = [chromium, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self._process = os.posix_spawn(chromium, command, os.environ, file_actions=actions)
        os.close(commands)
        os.close(answers)
        self._rest, self._sent, self._session = b"", 0, {}
        self.asked: set[str] = set()
        self.complaints: list[str] = []
        (target,) = [one for one in self._do("Target.getTargets")["targetInfos"] if one["type"] == "page"]
        self._session = {"sessionId": self._do("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]}
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._do(f"{domain}.enable")

    def open(self, url: str) -> None:
        """Show a page."""
        self._do("Page.navigate", url=url)

    def seen(self, expression: str) -> Any:
        """The value of an expression of JavaScript, as soon as it is true."""
        asked = self._do("Runtime.evaluate", expression=_AWAITED.format(expression), awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in asked, f"{expression}: {asked['exceptionDetails']}"
        return asked["result"].get("value")

    def click(self, selector: str) -> None:
        """Click the first element that a selector means, once it is there."""
        self._tell(selector, "click")

    def write(self, selector: str, text: str) -> None:
        """Write into a field, once it is there, and leave it: pages read some of them then."""
        self._tell(selector, "focus")
        self._do("Input.insertText", text=text)
        self._tell(selector, "blur")

    def close(self) -> None:
        """End the browser: it ends by itself with its pipes, also where a test is killed."""
        os.close(self._to)
        os.close(self._from)
        os.waitpid(self._process, 0)

    def _tell(self, selector: str, what: str) -> None:
        self.seen(f"(found => found && (found.{what}(), true))(document.querySelector({json.dumps(selector)}))")

    def _do(self, method: str, **parameters: Any) -> Any:
        self._sent += 1
        message = {"id": self._sent, "method": method, "params": parameters} | self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + _DEADLINE
        while (answer := self._next(end)).get("id") != self._sent:
            self._note(answer.get("method"), answer.get("params", {}))
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def _next(self, end: float) -> Any:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._from], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"Chromium said nothing within {_DEADLINE} s"
            self._rest += os.read(self._from, 1 << 16)
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def _note(self, event: str | None, told: Any) -> None:
        if event == "Network.requestWillBeSent":
            self.asked.add(told["request"]["url"])
        elif event == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.complaints.append(told["entry"]["text"])
        elif event == "Runtime.exceptionThrown":
            self.complaints.append(told["exceptionDetails"]["text"])
        elif event == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            self.complaints.append(" ".join(str(one.get("value", one.get("description"))) for one in told["args"]))
