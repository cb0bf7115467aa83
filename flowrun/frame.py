"""A frame of a video, and the properties of the video."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt

from flowrun.sound import SoundFormat, SoundPacket
from flowrun.view import View, whole

Image = npt.NDArray[np.uint8]
Timing = Literal["stream", "bursts", "arrival"]


class Picture(ABC):
    """A decoded picture in the source's own pixels. Images are made from it when somebody looks.

    Thread-safe. `width` and `height` are those of its image.
    """

    width: int
    height: int

    @property
    @abstractmethod
    def image(self) -> Image:
        """uint8, (height, width, 3), read-only. Made at the first call, the same array after
        that."""

    @abstractmethod
    def scaled(self, size: tuple[int, int], filter: str) -> Image:  # noqa: A002
        """The image scaled to `size` (width, height) in the same step that converts it, read-only.
        `filter` is nearest, bilinear, bicubic or lanczos; all but the first are antialiased."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of the source.

    `image`     uint8, shape (height, width, 3), RGB unless the flow has `color: bgr`. Read-only
                where flowrun still needs it (see the hooks guide); copy before drawing. Of a
                decoded frame it is made at the first look, on the thread that looks.
    `index`     the source's sequence number, from 0, without gaps.
    `time`      presentation time in seconds since the first frame of the source.
    `duration`  seconds until the next picture is due; 0.0 if unknown.
    `captured`  `time.monotonic()` when the picture became available to flowrun.
    `data`      what hooks attached, by name; a `.jsonl` sink writes it.
    `view`      the part of the source's picture that the model sees; `None`: all of it. Before the
                model, `image` shows that part; after the model, `image` is the source's picture.
    `sound`     from the source to the first queue only: the packets of sound since the previous
                frame, and at the end of a source those after it.
    """

    image: Image
    index: int
    time: float
    duration: float
    captured: float
    data: Mapping[str, Any] = field(default_factory=dict)
    view: View | None = None
    sound: list[SoundPacket] | None = field(repr=False, default=None)
    picture: Picture | None = field(init=False, repr=False, default=None)  # what `image` shows

    @classmethod
    def decoded(
        cls,
        picture: Picture,
        index: int,
        time: float,
        duration: float,
        captured: float,
        sound: list[SoundPacket] | None = None,
    ) -> Frame:
        """The frame of `picture`, whose image is not made yet."""
        return cls(cast(Image, picture), index, time, duration, captured, {}, None, sound)

    def __post_init__(self) -> None:
        # The first test alone decides in most cases, and is the cheaper one.
        if type(self.image) is not np.ndarray and isinstance(self.image, Picture):
            object.__setattr__(self, "picture", self.image)
            object.__delattr__(self, "image")  # until `__getattr__` sets it

    def __getattr__(self, name: str) -> Any:
        """Called for attributes that are not set: the image of a decoded picture, once."""
        if name != "image" or self.picture is None:
            raise AttributeError(f"a Frame has no attribute {name!r}")
        image = self.picture.image
        object.__setattr__(self, "image", image)
        return image

    @property
    def width(self) -> int:
        return self.picture.width if self.picture is not None else int(self.image.shape[1])

    @property
    def height(self) -> int:
        return self.picture.height if self.picture is not None else int(self.image.shape[0])

    @property
    def content(self) -> Image | Picture:
        """The picture as it is held: decoded, or as an image."""
        return self.image if self.picture is None else self.picture

    @property
    def seen(self) -> View:
        """`view`, or the view of the whole picture."""
        return self.view or whole(self.width, self.height)

    def with_image(self, image: npt.NDArray[Any], view: View | None = None) -> Frame:
        """The same frame with another picture (uint8, HWC, 3 channels; any size).

        `view`, from a preprocess hook, is the part of the source's picture that it shows. Without
        one, a picture of another size counts as the same view, resized.
        """
        return self.changed(image, self.data, view or self.view)

    def attach(self, **data: Any) -> Frame:
        """The same frame with `data` added to what is attached already."""
        return self.changed(self.content, {**self.data, **data}, self.view)

    def changed(
        self, content: npt.NDArray[Any] | Picture, data: Mapping[str, Any], view: View | None
    ) -> Frame:
        """The same frame with everything that hooks can change. Called at least once per frame;
        `dataclasses.replace` takes twice as long."""
        return Frame(
            cast(Image, content), self.index, self.time, self.duration, self.captured, data, view
        )

    def placed(self, index: int, time: float, captured: float) -> Frame:
        """The same frame with another number and other times."""
        image = cast(Image, self.content)
        return Frame(image, index, time, self.duration, captured, self.data, self.view, self.sound)


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """The properties of a video, known once its source is open.

    `fps` (frames per second), `duration` (seconds) and `frames` come from the container: hints for
    a sink or a progress bar, `None` if unknown. `time_base` is the unit of the container's own
    time stamps in seconds, so that a sink can keep them exactly. The colour fields carry ffmpeg's
    names (`tv`/`pc`; `bt709`, `smpte170m`, …), `None` if the stream does not have them. `timing` is
    what the times of a live source are: its own (`stream`), its own with frames that arrive in
    bursts (`bursts`: HLS, DASH), or those of arrival, as it has none (`arrival`). `pixel_aspect` is
    the width of a pixel divided by its height, 1 if unknown. `tone_mapped` is the kind of HDR
    (`PQ`, `HLG`) that was converted to BT.709, `None` for any other source. `sound` is the format
    of its sound, if a sink copies it.
    """

    width: int
    height: int
    fps: float | None = None
    duration: float | None = None
    frames: int | None = None
    time_base: Fraction = Fraction(1, 90_000)
    live: bool = False
    timing: Timing = "stream"
    color_range: str | None = None
    color_space: str | None = None
    color_primaries: str | None = None
    color_transfer: str | None = None
    pixel_aspect: Fraction = Fraction(1)
    tone_mapped: str | None = None
    sound: SoundFormat | None = None
