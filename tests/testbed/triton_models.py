"""Models for the Python backend of a real Triton. Run by Triton's interpreter, not by the tests."""

from __future__ import annotations

import io
import time
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from signatures import SIGNATURES


def image_of(request: Any) -> Any:
    return pb_utils.get_input_tensor_by_name(request, "image").as_numpy()


def answer(image: Any) -> Any:
    return pb_utils.InferenceResponse([pb_utils.Tensor("output", image)])


class Identity:
    def execute(self, requests: list[Any]) -> list[Any]:
        return [answer(image_of(request)) for request in requests]


class Jitter:
    """Identity that takes as many milliseconds as the first pixel's red says, so that with several
    instances later requests are done earlier. (In a stream Triton holds their answers back.)"""

    def execute(self, requests: list[Any]) -> list[Any]:
        return [answer(self._slowly(image_of(request))) for request in requests]

    def _slowly(self, image: Any) -> Any:
        time.sleep(int(image[0, 0, 0]) / 1000)
        return image


class JitterDecoupled(Jitter):
    """The same as a decoupled model, whose answers Triton sends as they come, in streams too."""

    def execute(self, requests: list[Any]) -> None:  # type: ignore[override]
        for request in requests:
            image = self._slowly(image_of(request))
            final = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL
            request.get_response_sender().send(answer(image), flags=final)


class Resize320:
    """The nearest pixels at 320x320, whatever the size of the image."""

    def execute(self, requests: list[Any]) -> list[Any]:
        answers = []
        for request in requests:
            image = image_of(request)
            rows = np.arange(320) * image.shape[0] // 320
            columns = np.arange(320) * image.shape[1] // 320
            answers.append(answer(np.ascontiguousarray(image[rows][:, columns])))
        return answers


class Repeat:
    """Decoupled: answers 0 to 3 times, the first pixel's red modulo 4, and then says that it is
    done. The blue of every pixel is the number of the answer."""

    def execute(self, requests: list[Any]) -> None:
        for request in requests:
            sender = request.get_response_sender()
            image = image_of(request).copy()
            for number in range(int(image[0, 0, 0]) % 4):
                image[..., 2] = number
                sender.send(answer(image))
            sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)


class Grow:
    """The picture as many times, one below the other, as its first pixel's red says."""

    def execute(self, requests: list[Any]) -> list[Any]:
        pictures = map(image_of, requests)
        return [answer(np.tile(each, (int(each[0, 0, 0]), 1, 1))) for each in pictures]


class Label:
    """Identity of a picture and of a text."""

    def execute(self, requests: list[Any]) -> list[Any]:
        return [
            pb_utils.InferenceResponse(
                [
                    pb_utils.Tensor("output", image_of(request)),
                    pb_utils.Tensor(
                        "label", pb_utils.get_input_tensor_by_name(request, "text").as_numpy()
                    ),
                ]
            )
            for request in requests
        ]


class Decode:
    """The picture in a JPEG (or whatever Pillow reads), RGB."""

    def execute(self, requests: list[Any]) -> list[Any]:
        from PIL import Image  # the other models do without it

        answers = []
        for request in requests:
            (compressed,) = image_of(request)
            answers.append(answer(np.asarray(Image.open(io.BytesIO(compressed)).convert("RGB"))))
        return answers


class Slow(Identity):
    """Identity that takes three seconds for its first response."""

    pause = 3.0

    def execute(self, requests: list[Any]) -> list[Any]:
        time.sleep(self.pause)
        self.pause = 0.0
        return super().execute(requests)


class Stateful:
    """The image, whose first pixel becomes (sequences started, requests of this one, whether it is
    the last)."""

    started = requests = 0

    def execute(self, requests: list[Any]) -> list[Any]:
        return [answer(self._counted(request)) for request in requests]

    def _counted(self, request: Any) -> Any:
        start, end = (
            int(pb_utils.get_input_tensor_by_name(request, name).as_numpy().reshape(-1)[0])
            for name in ("START", "END")
        )
        self.started += start
        self.requests = 1 if start else self.requests + 1
        image = image_of(request).copy()
        image[0, 0] = (self.started, self.requests, end)
        return image


class Signed:
    """The model of `signatures.py` under whose name Triton serves it. Triton has no ABORTED for a
    model that has found nothing: then it is an error."""

    def initialize(self, args: dict[str, str]) -> None:
        self._signature = SIGNATURES[args["model_name"]]

    def execute(self, requests: list[Any]) -> list[Any]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        tensors = {
            name: pb_utils.get_input_tensor_by_name(request, name).as_numpy()
            for name in self._signature.inputs
        }
        answered = self._signature.infer(tensors)
        if answered is None:
            return pb_utils.InferenceResponse(error=pb_utils.TritonError("nothing was found"))
        return pb_utils.InferenceResponse(
            [pb_utils.Tensor(name, array) for name, array in answered.items()]
        )
