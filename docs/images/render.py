"""Run the flows of the gallery and make a picture of what each one makes."""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from docs.images import scenes, untrained
from docs.images.gallery import ENTRIES, FLOWS, ROOT, WEB_PAGE, Entry, picture_of
from flowrun.kserve.server.embedded import serve
from flowrun.media.ffmpeg.process import executable

WIDTH = 640  # of a picture made of a video
WINDOW = (1280, 740)  # of the browser
SHOT_WIDTH = 960  # pixels of a screenshot in docs/images
COLORS = 96  # of a screenshot
SEEN = 60  # frames delivered before the screenshot, so that there are figures and a histogram
LIMIT = 90  # seconds for one command
LOADING = 4000  # milliseconds for the page in the browser


def render(names: Iterable[str], folder: Path, work: Path) -> None:
    """Write the pictures of these flows of `ENTRIES` into `folder`, and that of README for the
    name "web-page". Clips, outputs and the browser's profile go into `work`.

    Raises `subprocess.CalledProcessError` if a flow fails.
    """
    scenes.record(work)
    untrained.save(work / "model.xml")
    with _model_server() as server, _web_server(work) as web:
        for name in names:
            entry, flow = (
                (WEB_PAGE, "faster_rcnn_unary") if name == "web-page" else (ENTRIES[name], name)
            )
            picture = folder / picture_of(name)
            if entry.output is None:
                places = {"server": server, "web": _free_address()}
                _screenshot(_command(flow, entry, places), places["web"], work, picture)
            else:
                places = {"server": server, "web": web, "metrics": _free_address()}
                (work / entry.output).unlink(missing_ok=True)
                (work / "found.jsonl").unlink(missing_ok=True)
                subprocess.run(**_command(flow, entry, places), cwd=work, timeout=LIMIT, check=True)
                _last_picture(work / entry.output, picture)


def _command(flow: str, entry: Entry, places: dict[str, str]) -> dict[str, Any]:
    """The arguments for `subprocess`."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    words = ["-m", "flowrun", str(FLOWS / f"{flow}.yaml"), *entry.arguments(places)]
    return {
        "args": [sys.executable, *words],
        "env": {**os.environ, "PYTHONPATH": path, **entry.environ(places)},
    }


@contextlib.contextmanager
def _model_server() -> Iterator[str]:
    """The address of a server with all models of the entries."""
    models = {
        entry.model: f"docs.images.{entry.stand_in}" if entry.stand_in else entry.model
        for entry in ENTRIES.values()
        if entry.model
    }
    with serve([f"{name}={model}" for name, model in models.items()], "127.0.0.1:0") as server:
        yield server.address


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@contextlib.contextmanager
def _web_server(folder: Path) -> Iterator[str]:
    """The address of a web server with the files of `folder`."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def _free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def _last_picture(video: Path, picture: Path) -> None:
    """The last frame of a video as JPEG, `WIDTH` pixels wide."""
    whole = video.with_suffix(".png")
    last = ("-sseof", "-0.5", "-i", str(video), "-update", "1", "-y", str(whole))
    subprocess.run([executable(), "-loglevel", "error", *last], timeout=LIMIT, check=True)
    with Image.open(whole) as frame:
        size = (WIDTH, round(frame.height * WIDTH / frame.width))
        frame.convert("RGB").resize(size, Image.Resampling.LANCZOS).save(
            picture, quality=85, subsampling=0, optimize=True
        )


def _screenshot(command: dict[str, Any], address: str, work: Path, picture: Path) -> None:
    """The page of a run that goes on until it is seen, as PNG."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise FileNotFoundError("the executable chromium is not on PATH")
    shot = work / "shot.png"
    run = subprocess.Popen(**command, cwd=work)
    try:
        _wait_until_delivered(SEEN, address, run)
        # The picture of the page never ends, so that it is never loaded: a time limit ends it.
        look = (f"--timeout={LOADING}", f"--screenshot={shot}", f"http://{address}")
        window = (f"--user-data-dir={work / 'profile'}", f"--window-size={WINDOW[0]},{WINDOW[1]}")
        flags = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", *window)
        subprocess.run(
            [chromium, *flags, *look], timeout=LIMIT, check=True, stderr=subprocess.DEVNULL
        )
    finally:
        run.terminate()
        run.wait(LIMIT)
    with Image.open(shot) as page:
        size = (SHOT_WIDTH, round(page.height * SHOT_WIDTH / page.width))
        small = page.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    few = small.quantize(COLORS, Image.Quantize.MEDIANCUT, kmeans=3, dither=Image.Dither.NONE)
    few.save(picture, optimize=True)


def _wait_until_delivered(frames: int, address: str, run: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + LIMIT
    while run.poll() is None and time.monotonic() < end:
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"http://{address}/status", timeout=5) as answer,
        ):
            if json.load(answer)["delivered"] >= frames:
                return
        with contextlib.suppress(subprocess.TimeoutExpired):
            run.wait(0.2)
    raise subprocess.TimeoutExpired(run.args, LIMIT)
