"""The container image that `.ci/image` has built, run by buildah without a daemon."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.testbed.process import READY_WITHIN

STORAGE = "FLOWRUN_CONTAINER_STORAGE"  # the folder that was given to .ci/image
IMAGE = "flowrun"


class Container:
    """A container of the image. Its files are those of the image; of the network and the process
    ids it sees those of the machine, and no daemon starts it: buildah runs single commands."""

    def __init__(self, buildah: str, storage: Path) -> None:
        self._buildah = [buildah, "--root", str(storage / "root"), "--runroot"]
        self._buildah += [str(storage / "run"), "--storage-driver", "vfs"]
        self.config: dict[str, Any] = json.loads(self._run("inspect", "--type", "image", IMAGE))
        self.config = self.config["OCIv1"]["config"]
        self._name = self._run("from", "--pull-never", IMAGE).strip()

    def command(self, folder: Path, *words: str) -> list[str]:
        """What runs `words` as the user of the image, with `folder` mounted at /flows."""
        mount = f"{folder}:{self.config['WorkingDir']}"
        isolated = ("run", "--isolation", "chroot", "--volume", mount, self._name)
        return [*self._buildah, *isolated, "--", *words]

    def close(self) -> None:
        self._run("rm", self._name)

    def _run(self, *words: str) -> str:
        return subprocess.run(
            [*self._buildah, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=READY_WITHIN,
            check=True,
        ).stdout
