"""A window with one picture in it. The only module that touches pygame; imported when needed.

pygame-ce brings SDL in its wheel and needs nothing of the system. OpenCV's windows would bring the
whole of OpenCV and a Qt of its own; tkinter is missing from many Pythons and converts every
picture twice. Of pygame only the display is started: no sound, no joystick.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np

from flowrun.errors import SinkError
from flowrun.frame import Image
from flowrun.image.text import fitting_size, middle, text_mask, write

os.environ["PYGAME_HIDE_SUPPORT_PROMPT"] = "1"
os.environ["SDL_NO_SIGNAL_HANDLERS"] = "1"  # SIGTERM is flowrun's
# Otherwise SDL shows pictures through OpenGL, which without a GPU costs 7 ms each and four threads
# instead of 0.2 ms and none. Where a system knows no other way, SDL uses OpenGL all the same.
os.environ.setdefault("SDL_FRAMEBUFFER_ACCELERATION", "0")
# Otherwise window managers stop their effects, as for a game.
os.environ.setdefault("SDL_VIDEO_X11_NET_WM_BYPASS_COMPOSITOR", "0")
# Otherwise SDL, where no desktop runs, forks in the middle of the run to start a D-Bus daemon.
os.environ.setdefault("DBUS_SESSION_BUS_ADDRESS", "disabled:")
# How desktops know whose window it is.
os.environ.setdefault("SDL_VIDEO_X11_WMCLASS", "flowrun")
os.environ.setdefault("SDL_VIDEO_WAYLAND_WMCLASS", "flowrun")

import pygame

_SHOWS_NOTHING = ("dummy", "offscreen")  # drivers that SDL falls back to without a word
_REDRAW = (pygame.VIDEORESIZE, pygame.VIDEOEXPOSE)
_CLOSING_KEYS = (pygame.K_q, pygame.K_ESCAPE)


class Window:
    """Shows pictures of any size in one resizable window, undistorted, black around them.

    Every method on the thread that made it, the main one. `__init__` connects to the display, the
    first picture opens the window. Keeps one picture, a copy. Blocks only while the display server
    does; if that one dies, Xlib ends the process. Raises `SinkError` with `key`, and before there
    is a window with the hint `instead`.
    """

    def __init__(self, title: str, color: Literal["rgb", "bgr"], key: str, instead: str) -> None:
        self._title, self._key = title, key
        self._format: Literal["RGB", "BGR"] = "BGR" if color == "bgr" else "RGB"
        self._window: pygame.Surface | None = None
        self._picture = pygame.Surface((0, 0))
        if pygame.display.get_init():
            raise SinkError("a run has one window, and it is there already", key=key)
        if why := _connect():
            raise SinkError(f"no window can be opened: {why}", key=key, hint=instead)

    def show(self, image: Image) -> None:
        """Show `image`, uint8 (height, width, 3), until the next one."""
        size = (image.shape[1], image.shape[0])
        with self._errors_named():
            if self._window is None:
                self._window = self._open(size)
            if self._picture.get_size() != size:
                self._picture = pygame.Surface(size, depth=32)
            pixels = np.ascontiguousarray(image).data
            self._picture.blit(pygame.image.frombuffer(pixels, size, self._format), (0, 0))
            self._draw(self._window)

    def asked_to_close(self) -> bool:
        """Whether q or Escape was pressed or the window was closed since the last call. Draws anew
        what was covered or resized, so it wants to be called often."""
        with self._errors_named():
            events = pygame.event.get()
            if self._window is not None and any(event.type in _REDRAW for event in events):
                self._draw(self._window)
        return any(
            event.type == pygame.QUIT
            or (event.type == pygame.KEYDOWN and event.key in _CLOSING_KEYS)
            for event in events
        )

    def close(self) -> None:
        """Close the window and leave the display. Idempotent."""
        pygame.display.quit()

    def _open(self, size: tuple[int, int]) -> pygame.Surface:
        screen = pygame.display.get_desktop_sizes()[0]
        pygame.display.set_caption(self._title)
        pygame.display.set_icon(_icon())
        smaller = fit(size, (min(size[0], screen[0]), min(size[1], screen[1])))
        window = pygame.display.set_mode(smaller, pygame.RESIZABLE)  # stays the same when resized
        pygame.key.stop_text_input()  # an input method could keep the q for itself
        return window

    def _draw(self, window: pygame.Surface) -> None:
        picture = self._picture
        size = fit(picture.get_size(), window.get_size())
        if size != picture.get_size():
            picture = pygame.transform.smoothscale(picture, size)
        if size != window.get_size():
            window.fill("black")
        window.blit(picture, picture.get_rect(center=window.get_rect().center))
        pygame.display.flip()

    @contextmanager
    def _errors_named(self) -> Iterator[None]:
        try:
            yield
        except pygame.error as error:
            raise SinkError(f"the window failed: {error}", key=self._key) from error


def fit(size: tuple[int, int], room: tuple[int, int]) -> tuple[int, int]:
    """The largest size of the same shape that fits into `room`, at least 1x1."""
    scale = min(room[0] / size[0], room[1] / size[1])
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _icon() -> pygame.Surface:
    image = np.full((32, 32, 3), 24, np.uint8)
    mask = text_mask("F", fitting_size(("F",), 32, 32))
    write(image, mask, middle(image, mask), (208, 208, 208), (24, 24, 24))
    return pygame.image.frombuffer(image.tobytes(), (32, 32), "RGB")


def _connect() -> str:
    """Open the display; why not, if it cannot be opened."""
    names = [name for name in ("DISPLAY", "WAYLAND_DISPLAY") if os.environ.get(name)]
    if sys.platform == "linux" and not names:
        return "neither DISPLAY nor WAYLAND_DISPLAY is set"
    where = "".join(f"; {name} is {os.environ[name]!r}" for name in names)
    try:
        pygame.display.init()
    except pygame.error as error:
        return f"SDL says {str(error)!r}{where}"
    driver = pygame.display.get_driver()
    if driver not in _SHOWS_NOTHING:
        return ""
    pygame.display.quit()
    return f"SDL finds no display and would use its driver {driver!r}{where}"
