"""A real browser, controlled through pipes."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import io
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

LIMIT = 60.0  # seconds, a guard against hanging
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--host-resolver-rules=MAP rebound.example 127.0.0.1",
)
DESK, PHONE = (1280, 900), (390, 844)


class _LeftError(Exception):
    """The page in which a script ran was left."""


class Browser:
    """One tab. What the page's scripts raise is in `complaints`."""

    def __init__(self, chromium: str, profile: Path) -> None:
        self.complaints: list[str] = []
        self._asked = 0
        self._read, theirs_to_write = os.pipe()
        theirs_to_read, self._write = os.pipe()
        # It reads from 3 and writes to 4: far from these, so that neither covers the other.
        far = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (theirs_to_read, theirs_to_write)]
        moved = f"os.dup2({far[0]}, 3); os.dup2({far[1]}, 4); os.execv(sys.argv[1], sys.argv[1:])"
        command = [sys.executable, "-c", f"import os, sys; {moved}", chromium, *FLAGS]
        self._process = subprocess.Popen(
            [*command, f"--user-data-dir={profile}", "--remote-debugging-pipe"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=far,
            start_new_session=True,
        )
        for fd in (theirs_to_read, theirs_to_write, *far):
            os.close(fd)
        self._buffer = b""
        self._session = ""
        target = self._do("Target.createTarget", url="about:blank")["targetId"]
        attached = self._do("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        self._do("Runtime.enable")

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._read)
        os.close(self._write)

    def open(self, url: str) -> None:
        self._do("Page.navigate", url=url)

    def looks(self, size: tuple[int, int], scheme: str) -> Any:
        """A picture of the page at a size and in a colour scheme: uint8, (height, width, 3)."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._do("Emulation.setEmulatedMedia", features=features)
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1}
        self._do("Emulation.setDeviceMetricsOverride", **metrics, mobile=size == PHONE)
        made = base64.b64decode(self._do("Page.captureScreenshot")["data"])
        return np.asarray(Pillow.open(io.BytesIO(made)).convert("RGB"))

    def value(self, script: str) -> Any:
        """What the expression is in the page."""
        got = self._do("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in got, got
        return got["result"].get("value")

    def wait_for(self, condition: str) -> None:
        """Until the expression is true in the page, or in the next one if the page is left."""
        look = f"const look = () => {condition} ? found(1) : setTimeout(look, 20); look()"
        found = None
        while found is None:
            with contextlib.suppress(_LeftError):
                found = self.value(f"new Promise(found => {{ {look} }})")
        assert found == 1

    def _do(self, method: str, **parameters: Any) -> Any:
        self._asked += 1
        session = {"sessionId": self._session} if self._session else {}
        asked = {"id": self._asked, "method": method, "params": parameters, **session}
        os.write(self._write, json.dumps(asked).encode() + b"\0")
        while (said := self._next()).get("id") != self._asked:
            if said.get("method") == "Runtime.exceptionThrown":
                self.complaints.append(str(said["params"]))
        if "navigated" in said.get("error", {}).get("message", ""):
            raise _LeftError
        assert "error" not in said, said
        return said["result"]

    def _next(self) -> Any:
        while b"\0" not in self._buffer:
            assert select.select([self._read], [], [], LIMIT)[0], "the browser is silent"
            got = os.read(self._read, 1 << 20)
            assert got, "the browser has gone"
            self._buffer += got
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)
