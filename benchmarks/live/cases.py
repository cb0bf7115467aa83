"""The ways and the cameras that are compared, as data: one line for each."""

from __future__ import annotations

from dataclasses import dataclass

BY_HAND = "by hand"


@dataclass(frozen=True, slots=True)
class Way:
    """`module` is one of `benchmarks.live`; `Job` has the other fields."""

    module: str
    decoder: str = "auto"
    retrieve: str = "ahead"


@dataclass(frozen=True, slots=True)
class Cameras:
    """`count` cameras of `size` at 30 fps, H.264 with `bitrate` bits per second."""

    size: str
    count: int
    bitrate: str

    @property
    def name(self) -> str:
        return f"{self.count} x {self.size}"


WAYS: dict[str, Way] = {
    BY_HAND: Way("by_hand"),
    f"{BY_HAND}, waits for a frame": Way("by_hand", retrieve="next"),
    f"{BY_HAND}, retrieves all": Way("by_hand", retrieve="all"),
    "flowrun": Way("by_flow"),
    "flowrun, decoder ffmpeg": Way("by_flow", decoder="ffmpeg"),
}
CAMERAS = (
    Cameras("1920x1080", 1, "4M"),
    *(Cameras("1280x720", count, "2M") for count in (1, 2, 4)),
)
QUICK = (Cameras("320x180", 2, "200k"),)
