"""Select the frames that a sink writes by what hooks attached to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from flowrun.foreign import is_ctrl_c


class When:
    """Whether a frame has a true value under the name `name`: not empty, not zero. An array is
    true if one of its items is. Without a name, every frame is selected.

    `unknown` is set while no frame has had anything under the name. Any thread.
    """

    def __init__(self, name: str | None = None) -> None:
        self.name = name
        self.unknown = name is not None

    def __call__(self, data: Mapping[str, Any]) -> bool:
        if self.name is None:
            return True
        if self.name not in data:
            return False
        self.unknown = False
        value = data[self.name]
        try:
            return bool(value.any()) if isinstance(value, np.ndarray) else bool(value)
        except BaseException as error:  # an object may answer anything
            if is_ctrl_c(error):
                raise
            return False
