"""A loop by hand: OpenCV decodes in the process, tritonclient sends.

One thread grabs every frame, which decodes it. Only `retrieve` converts it to BGR; this is possible
between two grabs, thus on the same thread. `Job.retrieve` says which frames are retrieved:

`ahead`  those that are grabbed within one frame period before the response is expected; the last of
         them is sent as soon as the response arrives.
`next`   the next one that is grabbed after the response: `grab` blocks until it arrives.
`all`    every frame; the newest is sent as soon as the response arrives.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import cv2
import tritonclient.grpc as triton

from benchmarks.live.job import SIZE, THRESHOLD, Job, Record

os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "rtsp_transport;tcp"
NEVER = float("inf")


class Client:
    def __init__(self, job: Job, record: Record) -> None:
        self._job, self._record = job, record
        self._changed = threading.Condition()
        self._newest: tuple[float, Any] | None = None
        self._retrieve_from = 0.0  # the frames grabbed from this time on
        self._period = 0.0  # seconds between two frames
        self._took = 0.0  # seconds of the last request
        self._stopped = False

    def run(self) -> None:
        grabber = threading.Thread(target=self._grab)
        grabber.start()
        try:
            with triton.InferenceServerClient(self._job.address) as client:
                while newest := self._take():
                    self._analyse(client, *newest)
        finally:
            self.stop()
            grabber.join()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def _grab(self) -> None:
        capture = cv2.VideoCapture(self._job.url, cv2.CAP_FFMPEG)
        self._period = 1 / (capture.get(cv2.CAP_PROP_FPS) or 30)
        while not self._stopped and capture.grab():
            grabbed = time.monotonic()
            self._record.decoded.append(grabbed)
            if grabbed >= self._retrieve_from:
                _, picture = capture.retrieve()
                with self._changed:
                    self._newest = grabbed, picture
                    if self._job.retrieve == "next":
                        self._retrieve_from = NEVER
                    self._changed.notify()
        capture.release()
        self.stop()

    def _take(self) -> tuple[float, Any] | None:
        """The newest picture and when it was grabbed, `None` at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest or self._stopped)
            newest, self._newest = self._newest, None
            return None if self._stopped else newest

    def _analyse(self, client: Any, grabbed: float, picture: Any) -> None:
        began = time.monotonic()
        if self._job.retrieve == "ahead":
            self._retrieve_from = began + self._took - self._period
        image = cv2.resize(picture, SIZE)
        tensor = triton.InferInput("image", image.shape, "UINT8")
        tensor.set_data_from_numpy(image)
        boxes = client.infer(self._job.model, [tensor]).as_numpy("boxes")
        _found = boxes[boxes[:, 4] >= THRESHOLD]
        ended = time.monotonic()
        self._took = ended - began
        self._record.add(ended - grabbed)
        if self._job.retrieve == "next":
            self._retrieve_from = 0.0
