"""The picture in the size that the model wants, stretched."""

from __future__ import annotations

from collections.abc import Sequence

from flowrun.frame import Frame
from flowrun.hooks import options
from flowrun.image.scaling import FILTERS, scaled


class resize:
    """Stretches pictures to `size`, whatever their own shape.

    `size` is `300x300` or `[300, 300]`, `filter` one of nearest, bilinear, bicubic, lanczos; all
    but `nearest` weigh every pixel that is shrunk away. The picture that comes out is read-only.
    """

    def __init__(self, size: str | Sequence[int], filter: str = "bilinear") -> None:  # noqa: A002
        self._size = options.size("size", size)
        self._resampling = FILTERS[options.choice("filter", filter, FILTERS)]

    def __call__(self, frame: Frame) -> Frame:
        image = scaled(frame.image, self._size, self._resampling)
        return frame.with_image(image, frame.seen.resized(*self._size))
