"""Parse what ffmpeg writes to standard error."""

from __future__ import annotations

import collections
import re
import signal

from flowrun.spec.secrets import redact

LOG_LEVEL = ("-hide_banner", "-nostats", "-loglevel", "repeat+level+info")

_TAIL_LINES = 40
_SHOWN_ERRORS = 3
_LEVEL = re.compile(r"\[(?:panic|fatal|error|warning|info|verbose|debug|trace)\] ")
_ERROR = re.compile(r"\[(?:panic|fatal|error)\] ")
# Follows the message that names the cause, and adds nothing to it.
_REPEATED = re.compile(r"Error opening (?:in|out)put files?\b")


def is_error(line: str) -> bool:
    """Whether the level of a line is error or worse."""
    return _ERROR.search(line) is not None


class StderrLog:
    """The last lines of an ffmpeg started with `LOG_LEVEL`, and a count of its errors.

    One thread adds lines, any thread reads.
    """

    def __init__(self) -> None:
        self.error_count = 0  # lines of level error or worse
        self._tail: collections.deque[str] = collections.deque(maxlen=_TAIL_LINES)

    def add(self, line: str) -> None:
        self.error_count += is_error(line)
        self._tail.append(line)

    def contains(self, text: str) -> bool:
        """Whether `text` stands in one of the last lines."""
        return any(text in line for line in list(self._tail))

    def summary(self, status: int | None) -> str:
        """The last error messages, secrets redacted; without errors the signal that ended the
        process, by its exit `status`; without that the last line."""
        lines = list(self._tail)
        errors = [line for line in lines if is_error(line)]
        if not errors and status is not None and status < 0:
            return f"it was ended by signal {-status} ({signal.strsignal(-status)})"
        errors = errors or lines[-1:]
        messages = dict.fromkeys(_LEVEL.split(line)[-1].strip() for line in errors)
        causes = [text for text in messages if not _REPEATED.match(text)] or list(messages)
        return redact("; ".join(causes[-_SHOWN_ERRORS:])) or "it reported no error"
