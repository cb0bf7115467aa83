"""Pictures for models, and requests with them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future

import numpy as np
import numpy.typing as npt

from flowrun.inference import Request, Result
from flowrun.kserve.contract.model_info import ModelTransport

Picture = npt.NDArray[np.uint8]
LIMIT = 30.0  # seconds for one response; a guard against hanging


def noise(seed: int, height: int = 48, width: int = 64) -> Picture:
    """Random pixels, the same ones for the same seed."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def through(
    transport: ModelTransport, images: Sequence[Picture], window: int = 4
) -> list[Result | None]:
    """The results of one request for each picture, with `window` of them in flight."""
    futures: list[Future[Result | None]] = []
    for number, image in enumerate(images):
        if number >= window:
            futures[number - window].result(LIMIT)
        futures.append(transport.submit(Request({"": image})))
    return [future.result(LIMIT) for future in futures]
