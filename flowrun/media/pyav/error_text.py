"""Get the text of errors of PyAV and libav."""

from __future__ import annotations

from collections.abc import Callable

from av import logging
from av.error import FFmpegError


def error_text(error: Exception) -> str:
    """libav's text for an error that PyAV raised, or Python's."""
    strerror = error.strerror if isinstance(error, FFmpegError) else None
    return strerror or str(error)


def logged_errors(retry: Callable[[], object]) -> str:
    """Run `retry`, which repeats a call that has just failed, and return the errors that libav logs
    on this thread; without any, the text of the exception.

    Logging takes Python's lock, for which a thread of a codec may then wait for ever. So libav's
    log is on for the retry only.
    """
    before = logging.get_level(), logging.get_skip_repeated()
    logging.set_level(logging.ERROR)
    logging.set_skip_repeated(False)  # the same error may have been logged earlier
    try:
        with logging.Capture() as lines:
            try:
                retry()
            except (FFmpegError, ValueError) as error:
                last = error_text(error)
            else:
                last = ""
    finally:
        logging.set_level(before[0])
        logging.set_skip_repeated(before[1])
    messages = [message.strip() for _level, _name, message in lines]
    return "; ".join(dict.fromkeys(messages)) or last
