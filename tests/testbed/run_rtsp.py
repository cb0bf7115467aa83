"""A real RTSP server on 127.0.0.1, stopped by a signal.

    PYTHON run_rtsp.py PORT FOLDER [--file FILE]

PYTHON is that of a system with `gi`, `GstRtspServer` and the good and bad plugins of GStreamer. It
prints `ready` once it listens.

Played: `/live`, pictures made 30 times a second from the start on, watched or not, each stamped
with the time and its number (see `draw`); `/secret`, the same behind a password; `/sound`, no video
at all; `/file`, the FILE (an mp4 with H.264), from its beginning for everyone.
Recorded: `/record/NAME` into FOLDER/NAME-N.mkv, N counting on from what is there.
"""

from __future__ import annotations

import argparse
import re
import signal
import threading
import time
from pathlib import Path
from typing import Any

import gi

for module in ("Gst", "GstRtsp", "GstRtspServer"):
    gi.require_version(module, "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

WIDTH, HEIGHT, RATE = 640, 360, 30
BLOCK = 20  # pixels: side of one bit of the stamp
USER, PASSWORD = "viewer", "pass"
LIVE = f"""(
    appsrc name=pictures is-live=true format=time max-buffers=2 leaky-type=downstream
        caps=video/x-raw,format=I420,width={WIDTH},height={HEIGHT},framerate={RATE}/1
    ! timeoverlay valignment=bottom
    ! openh264enc complexity=low gop-size={RATE // 2} rate-control=off scene-change-detection=false
        multi-thread=1
    ! h264parse
    ! rtph264pay name=pay0 pt=96 config-interval=-1 aggregate-mode=zero-latency
)"""
SOUND = "( audiotestsrc is-live=true ! alawenc ! rtppcmapay name=pay0 pt=8 )"
FILE = "( filesrc name=file ! qtdemux ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=-1 )"
RECORD = (
    "( rtph264depay name=depay0 ! h264parse ! matroskamux"
    " ! filesink name=file buffer-mode=unbuffered )"
)


def draw(milliseconds: int, number: int) -> bytes:
    """A picture in I420: two rows of 32 blocks, white for 1, the highest bit on the left, and below
    them a bar that moves. The first row is the time, the second the number, 16 bits, and 16 bits
    that are the complement of the other three halves combined by exclusive or."""
    time_bits, number = milliseconds & 0xFFFFFFFF, number & 0xFFFF
    check = ~((time_bits >> 16) ^ (time_bits & 0xFFFF) ^ number) & 0xFFFF
    rows = [_row(time_bits) * BLOCK, _row(number << 16 | check) * BLOCK]
    bar = bytearray(b"\x60" * WIDTH)
    left = number * 4 % (WIDTH - BLOCK)
    bar[left : left + BLOCK] = b"\xd0" * BLOCK
    colours = b"\x80" * (WIDTH * HEIGHT // 2)
    return b"".join([*rows, bytes(bar) * (HEIGHT - 2 * BLOCK), colours])


def _row(bits: int) -> bytes:
    return b"".join((b"\xeb" if bits >> (31 - at) & 1 else b"\x10") * BLOCK for at in range(32))


class Camera:
    """Makes pictures on its own thread and sends each to the clients that play at that moment."""

    def __init__(self) -> None:
        self._playing: dict[Any, Any] = {}  # media -> its source of pictures
        threading.Thread(target=self._run, daemon=True).start()

    def configure(self, _: Any, media: Any) -> None:
        self._playing[media] = media.get_element().get_by_name("pictures")
        media.connect("unprepared", self._playing.pop)

    def _run(self) -> None:
        begin = time.monotonic_ns()
        number = 0
        while True:
            time.sleep(max(0, begin + number * Gst.SECOND // RATE - time.monotonic_ns()) / 1e9)
            now = time.monotonic_ns()  # also the clock of the pipelines
            picture = draw(now // 1_000_000, number)
            for source in list(self._playing.values()):
                begun = source.get_base_time()
                if not 0 < begun <= now:  # it does not run yet, or only since just now
                    continue
                buffer = Gst.Buffer.new_wrapped(picture)
                buffer.pts = now - begun
                buffer.duration = Gst.SECOND // RATE
                source.emit("push-buffer", buffer)
            number = (now - begin) * RATE // Gst.SECOND + 1  # a picture not made in time never is


class Recorder(GstRtspServer.RTSPMediaFactory):  # type: ignore[misc]
    """A file of its own for every session."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self.set_transport_mode(GstRtspServer.RTSPTransportMode.RECORD)
        self.set_eos_shutdown(True)
        self.connect("media-configure", lambda _, media: media.connect("prepared", exact))

    def do_create_element(self, url: Any) -> Any:
        name = re.sub(r"\W", "-", url.abspath.removeprefix("/record/"))
        count = len(list(self._folder.glob(f"{name}-*.mkv")))
        element = Gst.parse_launch(RECORD)
        path = self._folder / f"{name}-{count + 1}.mkv"
        path.touch()
        element.get_by_name("file").set_property("location", str(path))
        return element


def allow(factory: Any, roles: list[str]) -> Any:
    """The factory, for these roles; the others learn that it is there (401 rather than 404)."""
    for role in ("anyone", USER):
        rights = Gst.Structure.new_empty(role)
        rights.set_value("media.factory.access", True)
        rights.set_value("media.factory.construct", role in roles)
        factory.add_role_from_structure(rights)
    return factory


def exact(media: Any) -> None:
    """Record the times that the sender gave, as they came, instead of smoothing them by arrival."""
    pipeline = media.get_element().get_parent()
    for element in pipeline.children:
        if element.get_factory().get_name() == "rtpbin":
            element.set_property("latency", 0)
            Gst.util_set_object_arg(element, "buffer-mode", "none")


class Mounts(GstRtspServer.RTSPMountPoints):  # type: ignore[misc]
    """Every `/record/NAME` is there as soon as it is asked for."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._recorder = allow(Recorder(folder), ["anyone", USER])

    def do_make_path(self, url: Any) -> str:
        path = str(url.abspath)
        if path.startswith("/record/"):
            self.add_factory(path, self._recorder)
        return path


def played(launch: str) -> Any:
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(launch)
    return factory


def authorisation() -> Any:
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    tokens = {}
    for role in ("anyone", USER):
        tokens[role] = GstRtspServer.RTSPToken()
        tokens[role].set_string("media.factory.role", role)
    auth.set_default_token(tokens["anyone"])
    auth.add_digest(USER, PASSWORD, tokens[USER])
    return auth


def main(port: str, folder: Path, file: Path | None) -> None:
    Gst.init(None)
    camera = Camera()
    live, secret = played(LIVE), played(LIVE)
    for factory in (live, secret):
        factory.set_shared(True)
        factory.connect("media-configure", camera.configure)
    public = {"/live": live, "/sound": played(SOUND)}
    if file is not None:
        public["/file"] = played(FILE.replace("name=file", f'location="{file}"'))

    mounts = Mounts(folder)
    mounts.add_factory("/secret", allow(secret, [USER]))
    for path, factory in public.items():
        mounts.add_factory(path, allow(factory, ["anyone", USER]))
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    server.set_auth(authorisation())
    server.set_mount_points(mounts)
    if not server.attach(None):
        raise SystemExit(f"cannot listen on port {port}")

    loop = GLib.MainLoop()
    for number in (signal.SIGTERM, signal.SIGINT):
        GLib.unix_signal_add(GLib.PRIORITY_HIGH, number, loop.quit)
    # Sessions of clients that went without a word, as udp allows.
    GLib.timeout_add_seconds(2, lambda: server.get_session_pool().cleanup() >= 0)
    print("ready", flush=True)  # noqa: T201
    loop.run()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("port")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--file", type=Path)
    given = parser.parse_args()
    main(given.port, given.folder, given.file)
