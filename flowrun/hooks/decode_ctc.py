"""Decode the CTC output of text recognition into texts with boxes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from flowrun.detection import Detection, with_detections
from flowrun.errors import InvalidFlowError
from flowrun.frame import Frame
from flowrun.hooks.support import metadata, options
from flowrun.hooks.support.decoding import (
    FloatArray,
    as_float,
    in_source,
    output,
    rows,
    softmax,
    wrong_shape,
)
from flowrun.inference import Result

_SUM_TOLERANCE = 0.01  # of probabilities in half precision, which should add up to 1


class decode_ctc:
    """Attach the texts that a model with CTC output has recognized, with their boxes.

    `texts` names the output with a score for each text, position and character of `alphabet`, shape
    (n, length, characters) or (n, length, 1, characters). Decoding is greedy: the most likely
    character at each position, repeats once, without `blank`. `coordinates` names the output with
    `[x, y, width, height]` in pixels of the model's image, (n, 4) or (n, 1, 4). Without coordinates
    (`coordinates: null`) it is a recognition model: one text, of all that the model sees, or none.
    `characters`, a file with one character per line or a list, replaces `alphabet` and `blank`: 0
    is the blank, 1 the first of them; a model with one character more has the space at the end. The
    score is the mean over all positions of the probability of the most likely character; scores
    that are not probabilities go through softmax. Texts below `threshold` are omitted.
    """

    def __init__(
        self,
        *,
        texts: str = "texts",
        coordinates: str | None = "text_coordinates",
        alphabet: str = "#1234567890abcdefghijklmnopqrstuvwxyz",
        blank: str = "#",
        characters: str | Sequence[str] | None = None,
        threshold: float = 0.0,
    ) -> None:
        if len(blank) != 1 or blank not in alphabet:
            options.reject("blank", blank, f"one of the characters of {alphabet!r}")
        self._texts = texts
        self._coordinates = coordinates
        self.reads_outputs = (texts, *([] if coordinates is None else [coordinates]))
        self._alphabet: Sequence[str] = alphabet
        self._blank = alphabet.index(blank)
        self._spaces = 0  # at the end of the alphabet, which the model may lack
        if characters is not None:
            self._alphabet, self._blank, self._spaces = ["", *_read(characters), " "], 0, 1
        self._threshold = options.number("threshold", threshold)

    def check_outputs(self, outputs: metadata.Outputs) -> None:
        texts, characters = metadata.named(outputs, self._texts), len(self._alphabet)
        sizes = (characters, characters - self._spaces, metadata.ANY)
        metadata.check(
            texts,
            f"numbers with shape (n, length, {characters}): {characters} characters in the"
            " alphabet",
            metadata.NUMBERS,
            len(texts.shape) > 1 and texts.shape[-1] in sizes,
        )
        if self._coordinates is not None:
            metadata.check_rows(metadata.named(outputs, self._coordinates), 4)

    def __call__(self, frame: Frame, result: Result) -> Frame:
        return with_detections(frame, self._found(frame, result) if result.outputs else ())

    def _found(self, frame: Frame, result: Result) -> Iterable[Detection]:
        boxes = self._boxes(frame, result)
        if len(boxes) == 0:
            return
        for (x, y, width, height), scores in zip(
            boxes.tolist(), self._scores(result, len(boxes)), strict=True
        ):
            box = in_source(frame, (x, y, x + width, y + height))
            if box is None or not np.isfinite(scores).all():
                continue
            confidence, text = _confidence(scores), self._decode(scores)
            if confidence >= self._threshold and (text or self._coordinates is not None):
                yield Detection(box, confidence, text=text)

    def _boxes(self, frame: Frame, result: Result) -> FloatArray:
        """x, y, width and height of each text, in pixels of the model's image."""
        if self._coordinates is not None:
            return rows(result, self._coordinates, 4)
        if output(result, self._texts).size == 0:
            return np.empty((0, 4))
        return np.array([[0.0, 0.0, frame.seen.width, frame.seen.height]])

    def _scores(self, result: Result, count: int) -> FloatArray:
        """The output `texts`, (count, length, characters)."""
        name, tensor = self._texts, output(result, self._texts)
        characters = len(self._alphabet)
        if tensor.shape[-1:] == (characters - self._spaces,):
            characters -= self._spaces
        length = tensor.size // (count * characters)
        outer = [size for size in tensor.shape[:-1] if size != 1]
        fits = outer == [size for size in (count, length) if size != 1]
        if tensor.shape[-1:] != (characters,) or length == 0 or not fits:
            raise wrong_shape(
                name,
                tensor,
                f"numbers with shape ({count}, length, {characters}) or ({count}, length, 1,"
                f" {characters}): {count} texts, {characters} characters in the alphabet",
            )
        return as_float(name, tensor).reshape(count, length, characters)

    def _decode(self, scores: FloatArray) -> str:
        best = scores.argmax(axis=-1)
        kept = (np.diff(best, prepend=-1) != 0) & (best != self._blank)
        return "".join(self._alphabet[n] for n in best[kept])


def _read(characters: str | Sequence[str]) -> list[str]:
    """The characters of the option `characters`."""
    if not isinstance(characters, str):
        return [str(each) for each in characters]
    try:
        text = Path(characters).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InvalidFlowError(
            f"{characters} cannot be read: {reason} (relative paths start at {Path.cwd()})",
            key="characters",
        ) from None
    return text.removesuffix("\n").split("\n")


def _confidence(scores: FloatArray) -> float:
    sums = scores.sum(axis=-1)
    are_probabilities = (scores >= 0).all() and np.allclose(sums, 1, atol=_SUM_TOLERANCE)
    return float((scores if are_probabilities else softmax(scores)).max(axis=-1).mean())
