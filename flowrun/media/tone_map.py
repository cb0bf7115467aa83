"""Tone-map HDR (BT.2100 PQ and HLG, BT.2020 primaries) to SDR (BT.709), as a 3D table for ffmpeg's
`lut3d` filter.

The signal becomes light on a display of 1000 cd/m2 (PQ: SMPTE ST 2084; HLG: inverse OETF and OOTF
with a gamma of 1.2, BT.2100), then linear BT.709, where colours outside its gamut are clipped: the
primaries stay red, green and blue. The brightest of R, G and B goes through the curve of BT.2390
(EETF) to a white of 203 cd/m2, the reference white of BT.2408, and the other two with it, so that
hue and saturation stay: paper becomes 230 of 255. The result is encoded for the gamma of SDR
displays, 2.4 (BT.1886). Brighter light than 1000 cd/m2 is clipped.
"""

from __future__ import annotations

import os
import re
import tempfile
import weakref
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from flowrun.frame import VideoInfo
from flowrun.spec.flow import SourceSpec

Light = npt.NDArray[np.float64]

TRANSFERS = {"smpte2084": "PQ", "arib-std-b67": "HLG"}  # by ffmpeg's names

_PEAK, _WHITE = 1000.0, 203.0  # cd/m2, of the source's display and of SDR
_POINTS = 33  # per axis
_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
_LUMA_2020 = np.array([0.2627, 0.6780, 0.0593])
_TO_709 = np.array(  # BT.2407
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
)


class ToneMap:
    """A table for one transfer in a temporary file, which is deleted with this object."""

    def __init__(self, transfer: str) -> None:
        self._transfer = transfer
        descriptor, self.path = tempfile.mkstemp(prefix="flowrun-", suffix=".cube")
        weakref.finalize(self, os.unlink, self.path)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(cube(transfer))

    def mapped(self, info: VideoInfo) -> VideoInfo:
        """The properties of the tone-mapped frames of an HDR source."""
        return replace(
            info,
            color_space="bt709",
            color_primaries="bt709",
            color_transfer="bt709",
            tone_mapped=TRANSFERS[self._transfer],
        )

    @property
    def filters(self) -> list[str]:
        """The filters for planes of G, B and R, best with 16 bits: with 8 there are bands."""
        return [f"lut3d=file={_escaped(self.path)}:interp=tetrahedral"]


def tone_map_for(spec: SourceSpec, info: VideoInfo) -> ToneMap | None:
    """The tone map for a source, `None` if it is not HDR or the flow leaves it as it is."""
    transfer = info.color_transfer
    return ToneMap(transfer) if spec.tone_map and transfer in TRANSFERS else None


def _escaped(path: str) -> str:
    """A path as the value of a filter's option."""
    return re.sub(r"[\\':]", r"\\\g<0>", path)


def cube(transfer: str) -> str:
    """The table as a .cube file."""
    axis = np.linspace(0.0, 1.0, _POINTS)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")  # red changes fastest
    table = tone_mapped(np.stack([red, green, blue], -1).reshape(-1, 3), transfer)
    rows = "\n".join(f"{r:.6f} {g:.6f} {b:.6f}" for r, g, b in table.tolist())
    return f"LUT_3D_SIZE {_POINTS}\n{rows}\n"


def tone_mapped(signal: npt.NDArray[Any], transfer: str) -> Light:
    """The SDR signal for an HDR signal, both of shape (…, 3), R, G and B, from 0 to 1."""
    light = _from_pq(signal) if transfer == "smpte2084" else _from_hlg(signal)
    light = np.maximum(light @ _TO_709.T, 0.0)
    brightest = light.max(-1, keepdims=True)
    scale = _curve(brightest) / np.maximum(brightest, 1e-6)
    mapped: Light = np.clip(light * scale / _WHITE, 0.0, 1.0) ** (1 / 2.4)
    return mapped


def _from_pq(signal: npt.NDArray[Any]) -> Light:
    """cd/m2 of a PQ signal."""
    root = np.asarray(signal, np.float64) ** (1 / _M2)
    light: Light = 10_000.0 * (np.maximum(root - _C1, 0.0) / (_C2 - _C3 * root)) ** (1 / _M1)
    return light


def _to_pq(light: npt.NDArray[Any]) -> Light:
    power = (np.asarray(light, np.float64) / 10_000.0) ** _M1
    signal: Light = ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2
    return signal


def _from_hlg(signal: npt.NDArray[Any]) -> Light:
    """cd/m2 of an HLG signal on a display of `_PEAK`."""
    signal = np.asarray(signal, np.float64)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)  # noqa: PLR2004
    luminance = (scene @ _LUMA_2020)[..., None]
    light: Light = _PEAK * np.maximum(luminance, 1e-9) ** 0.2 * scene
    return light


def _curve(light: Light) -> Light:
    """The EETF of BT.2390 from `_PEAK` to `_WHITE`, without its lift of black."""
    peak = _to_pq(np.array(_PEAK))
    signal = np.minimum(_to_pq(light) / peak, 1.0)
    top = _to_pq(np.array(_WHITE)) / peak
    knee = 1.5 * top - 0.5
    t = np.maximum(signal - knee, 0.0) / (1 - knee)
    spline = (
        (2 * t**3 - 3 * t**2 + 1) * knee
        + (t**3 - 2 * t**2 + t) * (1 - knee)
        + (3 * t**2 - 2 * t**3) * top
    )
    return _from_pq(np.where(signal < knee, signal, spline) * peak)
