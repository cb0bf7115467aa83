"""A tensor as the model's metadata declares it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A tensor's name, KServe datatype and shape (-1 is any size).

    Undeclared: "INVALID" and (), as OpenVINO Model Server reports for its graphs.
    """

    name: str
    datatype: str = "INVALID"
    shape: tuple[int, ...] = ()

    @property
    def is_picture(self) -> bool:
        """Whether it is an image as flowrun defines it: UINT8, height x width x 3."""
        return self.datatype == "UINT8" and self.shape[2:] == (3,)
