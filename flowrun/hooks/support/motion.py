"""Predict where boxes will be: a Kalman filter for many boxes at once.

The centre moves with a constant velocity, the size stays the same; both change by noise that grows
with the box. The noise has no correlation between the axes, so the covariance of each axis is three
numbers, and all boxes are computed together without any matrix. The times are those of the source:
a frame that was dropped makes the step longer.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

# Standard deviations in sizes of the box. Those of the position and of a new velocity are
# ByteTrack's (1/20 of the height, 10/160 of it per frame of 1/30 s).
_MEASURED = 1 / 20
_NEW_VELOCITY = 10 / 160 * 30  # per second
_ACCELERATION = 1.0  # of the velocity after one second
_RESIZING = 0.5  # of the size after one second


class Motion:
    """The states of `len(motion)` boxes, in the order in which they were added."""

    def __init__(self) -> None:
        # Columns: x, y of the centre; its velocity; width, height.
        self._center, self._velocity, self._size = (np.zeros((0, 2)) for _ in range(3))
        # Variances of position, velocity and size, and the covariance of the first two.
        self._pp, self._pv, self._vv, self._ss = (np.zeros((0, 2)) for _ in range(4))

    def __len__(self) -> int:
        return len(self._center)

    @property
    def boxes(self) -> FloatArray:
        """(n, 4): x0, y0, x1, y1."""
        half = self._size / 2
        return np.concatenate([self._center - half, self._center + half], axis=1)

    def predict(self, step: float) -> None:
        """Go on by `step` seconds."""
        scale = self._scale(self._size)
        self._center += self._velocity * step
        noise = (_ACCELERATION * scale) ** 2
        self._pp += 2 * step * self._pv + step**2 * self._vv + noise * step**3 / 3
        self._pv += step * self._vv + noise * step**2 / 2
        self._vv += noise * step
        self._ss += (_RESIZING * scale) ** 2 * step

    def update(self, which: npt.NDArray[np.intp], boxes: FloatArray) -> None:
        """Correct the states `which` by what was measured, `boxes` (n, 4)."""
        center, size = _split(boxes)
        measured = (_MEASURED * self._scale(size)) ** 2
        gain = 1 / (self._pp[which] + measured)
        off = center - self._center[which]
        position, velocity = self._pp[which] * gain, self._pv[which] * gain
        self._center[which] += position * off
        self._velocity[which] += velocity * off
        self._vv[which] -= velocity * self._pv[which]
        self._pv[which] *= 1 - position
        self._pp[which] *= 1 - position
        resized = self._ss[which] / (self._ss[which] + measured)
        self._size[which] += resized * (size - self._size[which])
        self._ss[which] *= 1 - resized

    def add(self, boxes: FloatArray) -> None:
        """Start with `boxes` (n, 4), at rest as far as is known."""
        center, size = _split(boxes)
        scale = np.broadcast_to(self._scale(size), size.shape)
        zeros, measured = np.zeros_like(size), (_MEASURED * scale) ** 2
        added = (center, zeros, size, measured, zeros, (_NEW_VELOCITY * scale) ** 2, measured)
        self._set(np.concatenate(pair) for pair in zip(self._states(), added, strict=True))

    def keep(self, which: npt.NDArray[np.bool_]) -> None:
        """Remove all states but `which`."""
        self._set(state[which] for state in self._states())

    def _states(self) -> tuple[FloatArray, ...]:
        means = (self._center, self._velocity, self._size)
        return (*means, self._pp, self._pv, self._vv, self._ss)

    def _set(self, states: Iterable[FloatArray]) -> None:
        self._center, self._velocity, self._size, *covariances = states
        self._pp, self._pv, self._vv, self._ss = covariances

    @staticmethod
    def _scale(size: FloatArray) -> FloatArray:
        """The side of a square with the mean of width and height, (n, 1)."""
        mean: FloatArray = size.mean(axis=1, keepdims=True)
        return mean


def _split(boxes: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Centres and sizes, (n, 2) each."""
    return (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
