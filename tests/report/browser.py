"""A headless Chromium that loads a page and is driven by the DevTools protocol."""

import asyncio
import base64
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tornado.websocket import websocket_connect

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def find_chromium() -> str:
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip("there is no Chromium: the page is not opened")
    return found


class Browser:
    """One page; `problems` holds console errors, exceptions and requests that leave it.

    Use it as a context manager. Downloads go to `folder`.
    """

    def __init__(self, folder: Path, width: int = 1280, height: int = 1000) -> None:
        self.folder = folder
        self.size = (width, height)
        self.problems: list[str] = []
        self._loop = asyncio.new_event_loop()
        self._number = 0

    def __enter__(self) -> "Browser":
        self._process = subprocess.Popen(
            [
                find_chromium(),
                *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"),
                *("--disable-dev-shm-usage", "--disable-background-networking"),
                *("--remote-debugging-port=0", f"--user-data-dir={self.folder / 'profile'}"),
                f"--window-size={self.size[0]},{self.size[1]}",
                "about:blank",
            ],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        self._loop.run_until_complete(self._connect(self._port()))
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(self.folder))
        return self

    def __exit__(self, *_: Any) -> None:
        self._socket.close()
        self._process.terminate()
        self._process.wait(20)
        assert self._process.stderr is not None
        self._process.stderr.close()
        self._loop.run_until_complete(asyncio.sleep(0.1))
        self._loop.close()

    def _port(self) -> int:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if found := re.search(r"DevTools listening on ws://[^:]+:(\d+)/", line):
                return int(found[1])
        raise RuntimeError("Chromium did not start")

    async def _connect(self, port: int) -> None:
        from tornado.httpclient import AsyncHTTPClient

        answer = await AsyncHTTPClient().fetch(f"http://127.0.0.1:{port}/json")
        pages = [one for one in json.loads(answer.body) if one["type"] == "page"]
        url = pages[0]["webSocketDebuggerUrl"]
        self._socket = await websocket_connect(url, max_message_size=2**28)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol; what happens meanwhile is looked at."""
        return self._loop.run_until_complete(self._call(method, parameters))

    async def _call(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        self._number += 1
        told = {"id": self._number, "method": method, "params": parameters}
        await self._socket.write_message(json.dumps(told))
        while True:
            message = json.loads(await asyncio.wait_for(self._next(), 60))
            if message.get("id") == self._number:
                assert "error" not in message, message
                return message["result"]
            self._look_at(message)

    async def _next(self) -> str:
        message = await self._socket.read_message()
        assert message is not None, "Chromium is gone"
        return str(message)

    def _look_at(self, message: dict[str, Any]) -> None:
        method, told = message["method"], message["params"]
        if method == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(told["exceptionDetails"])[:500])
        elif method == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning"):
            self.problems.append(json.dumps(told["args"])[:500])
        elif method == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.problems.append(told["entry"]["text"])
        elif method == "Page.javascriptDialogOpening":
            self.problems.append(f"dialog: {told['message']}")
        elif method == "Network.requestWillBeSent":
            url = told["request"]["url"]
            if not url.startswith(("file:", "data:", "blob:", "about:")):
                self.problems.append(f"request: {url[:200]}")

    def open(self, page: Path) -> None:
        """Load a page and wait until its script has run."""
        self.call("Page.navigate", url=page.resolve().as_uri())
        self.wait("document.readyState === 'complete' && location.protocol === 'file:'")

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        told = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def wait(self, script: str, seconds: float = 30) -> None:
        """Wait until an expression is true."""
        for _ in range(int(20 * seconds)):
            if self.run(script):
                return
            self._loop.run_until_complete(asyncio.sleep(0.05))
        raise AssertionError(f"never true: {script}")

    def fill(self, selector: str, text: str) -> None:
        """Type a text into a field, as a person who leaves it then."""
        chosen = json.dumps(selector)
        self.run(
            f"(() => {{ const own = document.querySelector({chosen}); own.value = "
            f"{json.dumps(text)}; for (const kind of ['input', 'change']) "
            "own.dispatchEvent(new Event(kind, {bubbles: true})); })()"
        )

    def click(self, selector: str) -> None:
        """Click the first element that fits."""
        self.run(f"document.querySelector({json.dumps(selector)}).click()")

    def press(self, key: str, code: str = "") -> None:
        """Press a key where the focus is."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=code or key)

    def drag(self, *places: tuple[float, float]) -> None:
        """Press the mouse at the first place, move it through the others, let go."""
        kinds = ["mousePressed", *["mouseMoved"] * (len(places) - 1)]
        for kind, (x, y) in zip(kinds, places, strict=True):
            self._mouse(kind, x, y)
        self._mouse("mouseReleased", *places[-1])

    def point(self, x: float, y: float) -> None:
        """Move the mouse to a place."""
        self._mouse("mouseMoved", x, y, "none")

    def _mouse(self, kind: str, x: float, y: float, button: str = "left") -> None:
        pressed = {"button": button, "buttons": int(button == "left"), "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **pressed)

    def picture(self, path: Path) -> None:
        """A picture of what can be seen."""
        told = self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(told["data"]))
