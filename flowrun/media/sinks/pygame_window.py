"""Show one image in a window. The only module that imports pygame; imported when needed.

pygame-ce brings SDL in its wheel and needs no system package. OpenCV's windows would bring all of
OpenCV and a Qt of its own; tkinter is missing from many Pythons and converts every image twice.
Only the display of pygame is started: no sound, no joystick.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Literal

import numpy as np

from flowrun.errors import SinkError
from flowrun.frame import Image
from flowrun.image.text import fitting_size, middle, text_mask, write
from flowrun.media import pixel_aspect

os.environ["PYGAME_HIDE_SUPPORT_PROMPT"] = "1"
os.environ["SDL_NO_SIGNAL_HANDLERS"] = "1"  # flowrun handles SIGTERM
# Otherwise SDL shows images through OpenGL, which without a GPU costs 7 ms each and four threads
# instead of 0.2 ms and none. Where a system supports nothing else, SDL still uses OpenGL.
os.environ.setdefault("SDL_FRAMEBUFFER_ACCELERATION", "0")
# Otherwise window managers disable their effects, as for a game.
os.environ.setdefault("SDL_VIDEO_X11_NET_WM_BYPASS_COMPOSITOR", "0")
# Otherwise SDL forks during the run to start a D-Bus daemon, where no desktop is running.
os.environ.setdefault("DBUS_SESSION_BUS_ADDRESS", "disabled:")
# The application that desktops show for the window.
os.environ.setdefault("SDL_VIDEO_X11_WMCLASS", "flowrun")
os.environ.setdefault("SDL_VIDEO_WAYLAND_WMCLASS", "flowrun")

import pygame

_INVISIBLE_DRIVERS = ("dummy", "offscreen")  # SDL falls back to them without an error
_REDRAW = (pygame.VIDEORESIZE, pygame.VIDEOEXPOSE)
_CLOSING_KEYS = (pygame.K_q, pygame.K_ESCAPE)


class Window:
    """Show images of any size in one resizable window, undistorted, with black borders.

    Every method belongs on the thread that created it, the main one. `__init__` connects to the
    display, the first image opens the window. Keeps a copy of one image. Blocks only while the
    display server does; if that exits, Xlib ends the process. Raises `SinkError` with `key`, and
    from `__init__` with `hint`.
    """

    def __init__(self, title: str, color: Literal["rgb", "bgr"], key: str, hint: str) -> None:
        self._title, self._key = title, key
        self._format: Literal["RGB", "BGR"] = "BGR" if color == "bgr" else "RGB"
        self._window: pygame.Surface | None = None
        self._image = pygame.Surface((0, 0))
        self._shape = (0, 0)  # its size in square pixels
        if pygame.display.get_init():
            raise SinkError("a run can have one window only, and it is already open", key=key)
        if reason := _connect():
            raise SinkError(f"no window can be opened: {reason}", key=key, hint=hint)

    def show(self, image: Image, aspect: Fraction = pixel_aspect.SQUARE) -> None:
        """Show `image`, uint8 (height, width, 3), with pixels of `aspect`, until the next one."""
        size = (image.shape[1], image.shape[0])
        self._shape = pixel_aspect.display_size(size, aspect)
        with self._sdl_errors():
            if self._window is None:
                self._window = self._open(self._shape)
            if self._image.get_size() != size:
                self._image = pygame.Surface(size, depth=32)
            pixels = np.ascontiguousarray(image).data
            self._image.blit(pygame.image.frombuffer(pixels, size, self._format), (0, 0))
            self._draw(self._window)

    def close_requested(self) -> bool:
        """Whether q or Escape was pressed or the window was closed since the last call. Redraws a
        window that was covered or resized, so call it often."""
        with self._sdl_errors():
            events = pygame.event.get()
            if self._window is not None and any(event.type in _REDRAW for event in events):
                self._draw(self._window)
        return any(
            event.type == pygame.QUIT
            or (event.type == pygame.KEYDOWN and event.key in _CLOSING_KEYS)
            for event in events
        )

    def close(self) -> None:
        """Close the window and disconnect from the display. Idempotent."""
        pygame.display.quit()

    def _open(self, size: tuple[int, int]) -> pygame.Surface:
        screen = pygame.display.get_desktop_sizes()[0]
        pygame.display.set_caption(self._title)
        pygame.display.set_icon(_icon())
        visible = fit_size(size, (min(size[0], screen[0]), min(size[1], screen[1])))
        window = pygame.display.set_mode(visible, pygame.RESIZABLE)  # resizing keeps the object
        pygame.key.stop_text_input()  # an input method could consume the q
        return window

    def _draw(self, window: pygame.Surface) -> None:
        image = self._image
        size = fit_size(self._shape, window.get_size())
        if size != image.get_size():
            image = pygame.transform.smoothscale(image, size)
        if size != window.get_size():
            window.fill("black")
        window.blit(image, image.get_rect(center=window.get_rect().center))
        pygame.display.flip()

    @contextmanager
    def _sdl_errors(self) -> Iterator[None]:
        try:
            yield
        except pygame.error as error:
            raise SinkError(f"the window failed: {error}", key=self._key) from error


def fit_size(size: tuple[int, int], bounds: tuple[int, int]) -> tuple[int, int]:
    """The largest size of the same aspect ratio within `bounds`, at least 1x1."""
    scale = min(bounds[0] / size[0], bounds[1] / size[1])
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _icon() -> pygame.Surface:
    image = np.full((32, 32, 3), 24, np.uint8)
    mask = text_mask("F", fitting_size(("F",), 32, 32))
    write(image, mask, middle(image, mask), (208, 208, 208), (24, 24, 24))
    return pygame.image.frombuffer(image.tobytes(), (32, 32), "RGB")


def _connect() -> str:
    """Open the display. Return the reason if that fails, else an empty string."""
    names = [name for name in ("DISPLAY", "WAYLAND_DISPLAY") if os.environ.get(name)]
    if sys.platform == "linux" and not names:
        return "neither DISPLAY nor WAYLAND_DISPLAY is set"
    where = "".join(f"; {name} is {os.environ[name]!r}" for name in names)
    try:
        pygame.display.init()
    except pygame.error as error:
        return f"SDL reports {str(error)!r}{where}"
    driver = pygame.display.get_driver()
    if driver not in _INVISIBLE_DRIVERS:
        return ""
    pygame.display.quit()
    return f"SDL finds no display and would use its driver {driver!r}{where}"
