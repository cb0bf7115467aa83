"""Texts from a chain of text detection and recognition."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from flowrun.detection import Detection, with_detections
from flowrun.frame import Frame
from flowrun.hooks import options
from flowrun.hooks.decoding import Numbers, in_source, numbers, output, rows, softmax, unfit
from flowrun.inference import Result

_SUM = 0.01  # how far probabilities in half precision may be from 1 together


class decode_ctc:
    """Attaches the texts that a model with CTC output has read, with where they stand.

    `texts` names the output with a number for each text, place and character of `alphabet`, shape
    (n, length, characters) or (n, length, 1, characters); the likeliest character at each place
    counts, repeated ones once, and `blank` not at all. `coordinates` names the one with
    `[x, y, width, height]` in pixels of what the model saw, (n, 4) or (n, 1, 4). The score is the
    mean over all places of the probability of the likeliest character, numbers that are no
    probabilities being made so by softmax; texts with a lower one than `threshold` are left out.
    """

    def __init__(
        self,
        *,
        texts: str = "texts",
        coordinates: str = "text_coordinates",
        alphabet: str = "#1234567890abcdefghijklmnopqrstuvwxyz",
        blank: str = "#",
        threshold: float = 0.0,
    ) -> None:
        if len(blank) != 1 or blank not in alphabet:
            options.refuse("blank", blank, f"one of the characters of {alphabet!r}")
        self._texts = texts
        self._coordinates = coordinates
        self._alphabet = alphabet
        self._blank = alphabet.index(blank)
        self._threshold = options.number("threshold", threshold)

    def __call__(self, frame: Frame, result: Result) -> Frame:
        return with_detections(frame, self._found(frame, result) if result.outputs else ())

    def _found(self, frame: Frame, result: Result) -> Iterable[Detection]:
        placement = rows(result, self._coordinates, 4)
        if len(placement) == 0:
            return
        for (x, y, width, height), text in zip(
            placement.tolist(), self._rows(result, len(placement)), strict=True
        ):
            box = in_source(frame, (x, y, x + width, y + height))
            if box is None or not np.isfinite(text).all():
                continue
            score = _confidence(text)
            if score >= self._threshold:
                yield Detection(box, score, text=self._read(text))

    def _rows(self, result: Result, count: int) -> Numbers:
        """(count, length, characters)"""
        name, tensor = output(result, self._texts)
        characters = len(self._alphabet)
        length = tensor.size // (count * characters)
        outer = [size for size in tensor.shape[:-1] if size != 1]
        fits = outer == [size for size in (count, length) if size != 1]
        if tensor.shape[-1:] != (characters,) or length == 0 or not fits:
            raise unfit(
                name,
                tensor,
                f"numbers of shape ({count}, length, {characters}) or ({count}, length, 1,"
                f" {characters}): {count} texts, {characters} characters in the alphabet",
            )
        return numbers(name, tensor).reshape(count, length, characters)

    def _read(self, text: Numbers) -> str:
        best = text.argmax(axis=-1)
        kept = (np.diff(best, prepend=-1) != 0) & (best != self._blank)
        return "".join(self._alphabet[n] for n in best[kept])


def _confidence(text: Numbers) -> float:
    likely = (text >= 0).all() and np.allclose(text.sum(axis=-1), 1, atol=_SUM)
    return float((text if likely else softmax(text)).max(axis=-1).mean())
