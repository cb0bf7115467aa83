"""What libav has against something, in its own words."""

from __future__ import annotations

from collections.abc import Callable

from av import logging
from av.error import FFmpegError


def words(error: Exception) -> str:
    """Of an error that PyAV has raised."""
    strerror = error.strerror if isinstance(error, FFmpegError) else None
    return strerror or str(error)


def said(again: Callable[[], object]) -> str:
    """The errors that libav tells, on this thread, while `again` does what has just failed.

    It tells them through Python's lock, for which a codec's thread may then wait for ever; so
    nobody listens as long as all is well.
    """
    before = logging.get_level()
    logging.set_level(logging.ERROR)
    try:
        with logging.Capture() as lines:
            try:
                again()
            except (FFmpegError, ValueError) as error:
                last = words(error)
            else:
                last = ""
    finally:
        logging.set_level(before)
    told = [message.strip() for _level, _who, message in lines]
    return "; ".join(dict.fromkeys(told)) or last
