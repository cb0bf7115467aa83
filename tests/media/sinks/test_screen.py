"""A real window on a virtual display.

SDL has one display per process and needs the main thread, so every window has a process of its own,
which executes the lines of its standard input.
"""

from __future__ import annotations

import ctypes
import importlib.abc
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from flowrun.errors import SinkError
from flowrun.frame import Image, VideoInfo
from flowrun.media.ffmpeg.process import executable
from flowrun.media.protocols import SinkContext
from flowrun.media.sinks import open_sink
from flowrun.media.sinks.placeholder import placeholder
from flowrun.spec.flow import SinkSpec

RED, BLUE, WHITE, BLACK = (200, 30, 20), (10, 40, 220), (255, 255, 255), (0, 0, 0)
ALTERNATIVES = "other ways to watch: `sink: out.mp4`, `sink: rtsp://localhost:8554/name`"

CHILD = """
import sys, threading, traceback
from datetime import datetime
from fractions import Fraction
import numpy as np
from flowrun.errors import FlowrunError
from flowrun.frame import Frame, VideoInfo
from flowrun.media.protocols import SinkContext
from flowrun.media.sinks import open_sink
from flowrun.spec.flow import SinkSpec

stopped, stops, since = threading.Event(), [], None

def stop():
    stops.append(1)
    stopped.set()

def make(color="rgb", **properties):
    info = VideoInfo(400, 300, **properties)
    names = {"key": "sink[1]", "name": "my flow"}
    context = SinkContext(info, color, stop=stop, unavailable_since=lambda: since, **names)
    return open_sink(SinkSpec("screen"), context)

def write(width, height, left, right=None):
    image = np.empty((height, width, 3), np.uint8)
    image[:, : width // 2], image[:, width // 2 :] = left, right or left
    image.flags.writeable = False
    sink.write(Frame(image, 0, 0.0, 0.0, 0.0))

def tick_until_key_up():
    import pygame
    get, types = pygame.event.get, []
    def spy():
        events = get()
        types.extend(event.type for event in events)
        return events
    pygame.event.get = spy
    for _ in range(400):
        sink.tick()
        if pygame.KEYUP in types:
            return
        stopped.wait(sink.every)
    assert False, "no key came"

def tick_until_stopped():
    for _ in range(400):
        sink.tick()
        if stopped.wait(sink.every):
            return

for line in sys.stdin:
    try:
        exec(line)
        print("done", flush=True)
    except FlowrunError as error:
        print(repr(str(error)), flush=True)
    except Exception:
        print(repr(traceback.format_exc()), flush=True)
"""


class Child:
    """A process with a screen sink called `sink`."""

    def __init__(self, display: str | None) -> None:
        environment = {k: v for k, v in os.environ.items() if "DISPLAY" not in k}
        self.display = display
        self.environment = environment | ({"DISPLAY": display} if display else {})
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
        )

    def execute(self, line: str) -> str:
        """Execute `line`; `done`, or the text of the error as a literal."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def do(self, *lines: str) -> None:
        for line in lines:
            assert self.execute(line) == "done"

    def xdotool(self, *arguments: str) -> str:
        done = subprocess.run(
            ["xdotool", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        return done.stdout.strip()

    @property
    def window(self) -> str:
        return self.xdotool("search", "--class", "^flowrun$").split()[-1]

    def geometry(self) -> tuple[int, int, int, int]:
        """Left, top, width and height of the window."""
        text = self.xdotool("getwindowgeometry", "--shell", self.window)
        values = dict(line.split("=") for line in text.splitlines())
        return (int(values["X"]), int(values["Y"]), int(values["WIDTH"]), int(values["HEIGHT"]))

    def screenshot(self) -> Image:
        """The pixels of the window on the display."""
        left, top, width, height = self.geometry()
        grabbed = subprocess.run(
            [
                *(executable(), "-v", "error", "-f", "x11grab", "-draw_mouse", "0"),
                *("-video_size", f"{width}x{height}", "-i", f"{self.display}+{left},{top}"),
                *("-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=30,
            check=True,
        )
        return np.frombuffer(grabbed.stdout, np.uint8).reshape(height, width, 3)

    def end(self) -> tuple[int, str]:
        """Its status, and what it wrote on stderr."""
        _, errors = self.process.communicate(timeout=30)
        return self.process.returncode, errors


@pytest.fixture
def child(display: str) -> Iterator[Child]:
    with_sink = Child(display)
    try:
        with_sink.do("sink = make()")
        yield with_sink
    finally:
        with_sink.process.kill()
        with_sink.process.communicate()


@pytest.fixture
def start() -> Iterator[Callable[[str | None], Child]]:
    """`start(":1")`: a child without a sink yet."""
    children: list[Child] = []

    def start(display: str | None) -> Child:
        children.append(Child(display))
        return children[-1]

    yield start
    for one in children:
        one.process.kill()
        one.process.communicate()


def halves(size: tuple[int, int], left: tuple[int, ...], right: tuple[int, ...]) -> Image:
    image = np.empty((size[1], size[0], 3), np.uint8)
    image[:, : size[0] // 2], image[:, size[0] // 2 :] = left, right
    return image


def similar(seen: Image, color: tuple[int, ...]) -> bool:
    """Whether all of it has that colour, within the tolerance of scaling."""
    return bool((abs(seen.astype(int) - color) <= 4).all())


def test_pixels_that_are_not_square_are_shown_in_their_shape(
    display: str, start: Callable[[str | None], Child]
) -> None:
    child = start(display)
    child.do("sink = make(pixel_aspect=Fraction(3, 2))", f"write(320, 240, {RED}, {BLUE})")
    assert child.geometry()[2:] == (480, 240)
    seen = child.screenshot()
    assert similar(seen[:, :238], RED)
    assert similar(seen[:, 242:], BLUE)
    child.do("since = datetime(2024, 2, 3, 7, 8, 9)", "sink.tick()")
    assert child.geometry()[2:] == (480, 240)
    assert not similar(child.screenshot()[:, :10], BLACK)


def test_every_pixel_of_a_frame_has_its_place_and_colour(child: Child) -> None:
    child.do(f"write(320, 240, {RED}, {BLUE})")
    assert (child.screenshot() == halves((320, 240), RED, BLUE)).all()


def test_the_colours_of_a_bgr_flow_are_right_too(
    display: str, start: Callable[[str | None], Child]
) -> None:
    child = start(display)
    child.do("sink = make('bgr')", f"write(321, 241, {RED[::-1]}, {BLUE[::-1]})")
    assert (child.screenshot() == halves((321, 241), RED, BLUE)).all()


def test_a_frame_that_is_a_view_of_another_picture_is_shown_as_well(child: Child) -> None:
    child.do(
        f"wide = np.full((240, 640, 3), {RED}, np.uint8); wide[:, 1::2] = {BLUE}",
        "sink.write(Frame(wide[:, ::2], 0, 0.0, 0.0, 0.0))",
    )
    assert (child.screenshot() == np.array(RED)).all()


def test_the_window_has_the_name_of_the_flow(child: Child) -> None:
    child.do(f"write(320, 240, {RED})")
    assert child.xdotool("getwindowname", child.window) == "my flow"


def test_the_window_of_an_image_larger_than_the_display_fits_and_keeps_the_aspect_ratio(
    child: Child,
) -> None:
    child.do(f"write(4000, 2000, {RED}, {BLUE})")
    width, height = map(int, child.xdotool("getdisplaygeometry").split())
    assert child.geometry()[2:] == (width, width // 2)
    assert height >= width // 2
    seen = child.screenshot()
    assert similar(seen[:, : width // 2 - 2], RED)
    assert similar(seen[:, width // 2 + 2 :], BLUE)


def test_a_later_frame_of_another_shape_is_fitted_in_with_black_around_it(child: Child) -> None:
    child.do(f"write(400, 300, {WHITE})", f"write(100, 150, {RED}, {BLUE})")
    assert child.geometry()[2:] == (400, 300)
    seen = child.screenshot()
    assert (seen[:, :100] == BLACK).all()
    assert similar(seen[:, 100:198], RED)
    assert similar(seen[:, 202:300], BLUE)
    assert (seen[:, 300:] == BLACK).all()


def test_a_resized_window_shows_the_whole_frame_undistorted_without_waiting_for_another(
    child: Child,
) -> None:
    child.do(f"write(400, 300, {RED}, {BLUE})")
    child.xdotool("windowsize", "--sync", child.window, "200", "350")
    child.do("sink.tick()")
    seen = child.screenshot()
    assert seen.shape == (350, 200, 3)
    assert (seen[:100] == BLACK).all()
    assert similar(seen[100:250, :98], RED)
    assert similar(seen[100:250, 102:], BLUE)
    assert (seen[250:] == BLACK).all()


@pytest.mark.parametrize("key", ["q", "Escape"])
def test_a_key_stops_the_run_once_and_frames_are_shown_until_the_sink_is_closed(
    child: Child, key: str
) -> None:
    child.do(f"write(320, 240, {RED})", "sink.tick()", "assert not stops")
    child.xdotool("windowfocus", child.window, "key", "a", "key", key, "key", key)
    child.do("tick_until_stopped()", "sink.tick()", "sink.tick()", "assert stops == [1]")
    child.do(f"write(320, 240, {BLUE})")
    assert (child.screenshot() == BLUE).all()
    child.do("sink.close()", "sink.close()")
    assert child.end() == (0, "")


def test_another_key_stops_nothing(child: Child) -> None:
    child.do(f"write(320, 240, {RED})")
    child.xdotool("windowfocus", child.window, "key", "w")
    child.do("tick_until_key_up()", "assert not stops")


def test_closing_the_window_stops_the_run(child: Child) -> None:
    child.do(f"write(320, 240, {RED})")
    ask_to_close(child.display or "", int(child.window))
    child.do("tick_until_stopped()", "assert stops == [1]")


def test_while_the_source_is_unavailable_a_placeholder_is_shown_until_the_next_frame(
    child: Child,
) -> None:
    since = datetime(2024, 2, 3, 7, 8, 9)
    child.do(f"write(320, 240, {RED})", "since = datetime(2024, 2, 3, 7, 8, 9)", "sink.tick()")
    assert (child.screenshot() == placeholder((320, 240), since)).all()
    child.do(f"write(320, 240, {BLUE})")  # one that was still in flight
    assert (child.screenshot() == BLUE).all()
    child.do("sink.tick()")
    assert (child.screenshot() == placeholder((320, 240), since)).all()
    child.do("since = None", "sink.tick()")
    assert (child.screenshot() == placeholder((320, 240), since)).all()
    child.do(f"write(320, 240, {BLUE})", "sink.tick()")
    assert (child.screenshot() == BLUE).all()


def test_a_placeholder_before_the_first_frame_opens_the_window_in_the_sources_size(
    child: Child,
) -> None:
    child.do("since = datetime(2024, 2, 3, 7, 8, 9)", "sink.tick()")
    assert (child.screenshot() == placeholder((400, 300), datetime(2024, 2, 3, 7, 8, 9))).all()


def test_the_window_leaves_sigterm_to_others(child: Child) -> None:
    child.do(f"write(320, 240, {RED})")
    child.process.terminate()
    assert child.end() == (-15, "")


def test_a_window_starts_no_daemon_of_the_desktop(
    display: str,
    start: Callable[[str | None], Child],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "dbus-launch").write_text(f"#!/bin/sh\n: > '{tmp_path}/started'\n")
    (tmp_path / "dbus-launch").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    child = start(display)
    child.do("sink = make()", f"write(320, 240, {RED})", "sink.close()")
    assert not (tmp_path / "started").exists()


def test_an_aborted_sink_accepts_no_more_frames(child: Child) -> None:
    child.do(f"write(320, 240, {RED})", "sink.abort()", "sink.abort()")
    assert child.execute(f"write(320, 240, {RED})") == "'sink[1]: the screen sink was aborted'"
    assert child.execute("sink.tick()") == "'sink[1]: the screen sink was aborted'"
    child.do("sink.close()")


def test_a_second_window_is_refused(child: Child) -> None:
    text = "sink[1]: a run can have one window only, and it is already open"
    assert child.execute("make()") == repr(text)


def test_after_a_sink_is_closed_another_may_open(child: Child) -> None:
    child.do(f"write(320, 240, {RED})", "sink.close()", "sink = make()")
    child.do(f"write(100, 200, {BLUE})")
    assert (child.screenshot() == BLUE).all()
    assert child.geometry()[2:] == (100, 200)


def test_the_icon_of_the_window_is_a_light_glyph_on_a_dark_background(
    display: str, start: Callable[[str | None], Child]
) -> None:
    start(display).do(
        "from flowrun.media.sinks.pygame_window import _icon; icon = _icon()",
        "shades = [icon.get_at((x, y)).r for x in range(32) for y in range(32)]",
        "assert min(shades) == 24 and max(shades) == 208",
        "assert 50 < sum(shade > 128 for shade in shades) < 300",
    )


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is always a display")
def test_without_a_display_the_error_names_other_ways_to_watch(
    display: str, start: Callable[[str | None], Child]
) -> None:
    pytest.importorskip("pygame")
    text = "sink[1]: no window can be opened: neither DISPLAY nor WAYLAND_DISPLAY is set"
    assert start(None).execute("make()") == repr(f"{text}\n  {ALTERNATIVES}")


def test_an_unreachable_display_is_an_error_although_sdl_has_a_fallback(
    display: str, start: Callable[[str | None], Child]
) -> None:
    pytest.importorskip("pygame")
    text = (
        "sink[1]: no window can be opened: SDL finds no display and would use its driver"
        " 'offscreen'; DISPLAY is ':54321'"
    )
    assert start(":54321").execute("make()") == repr(f"{text}\n  {ALTERNATIVES}")


def test_without_pygame_the_error_names_the_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Missing(importlib.abc.MetaPathFinder):
        def find_spec(self, name: str, path: object, target: object = None) -> None:
            if name == "pygame":
                raise ModuleNotFoundError("No module named 'pygame'", name=name)

    monkeypatch.delitem(sys.modules, "flowrun.media.sinks.pygame_window", raising=False)
    monkeypatch.delitem(sys.modules, "pygame", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    with pytest.raises(SinkError) as caught:
        open_sink(SinkSpec("screen"), SinkContext(VideoInfo(64, 48)))
    assert str(caught.value) == (
        "sink: the screen needs pygame-ce, which cannot be imported: No module named 'pygame'\n"
        f"  pip install pygame-ce; {ALTERNATIVES}"
    )


def ask_to_close(display: str, window: int) -> None:
    """Send what a window manager sends when the close button is clicked."""
    x11 = ctypes.CDLL("libX11.so.6")
    x11.XOpenDisplay.restype = x11.XInternAtom.restype = ctypes.c_void_p
    connection = ctypes.c_void_p(x11.XOpenDisplay(display.encode()))
    atoms = [
        x11.XInternAtom(connection, name, 0) for name in (b"WM_PROTOCOLS", b"WM_DELETE_WINDOW")
    ]
    # type, serial, send_event, display, window, message_type, format, data; padded to XEvent
    event = (ctypes.c_long * 24)(33, 0, 0, 0, window, atoms[0], 32, atoms[1])
    x11.XSendEvent(connection, ctypes.c_ulong(window), 0, ctypes.c_long(0), event)
    x11.XCloseDisplay(connection)
