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
# Messages that follow the one that names the cause. They repeat its error code, if anything.
_ECHO = re.compile(
    r"Error opening (?:in|out)put files?\b|Task finished with error code|Terminating thread with"
    r"|Nothing was written into output|Conversion failed!|Decode error rate .* exceeds"
    r"|Could not open encoder before EOF|Cannot determine format of input|Error sending frames to"
)


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
        self._causes: collections.deque[str] = collections.deque(maxlen=_TAIL_LINES)
        self._echoes: collections.deque[str] = collections.deque(maxlen=_TAIL_LINES)

    def add(self, line: str) -> None:
        self._tail.append(line)
        if is_error(line):
            self.error_count += 1
            text = _LEVEL.split(line)[-1].strip()
            (self._echoes if _ECHO.match(text) else self._causes).append(text)

    def contains(self, text: str) -> bool:
        """Whether `text` stands in one of the last lines."""
        return any(text in line for line in list(self._tail))

    def errors(self) -> str:
        """The last error messages, for their error codes; not redacted."""
        return "; ".join([*list(self._causes), *list(self._echoes)])

    def summary(self, status: int | None) -> str:
        """The last error messages that name a cause, secrets redacted; without errors the signal
        that ended the process, by its exit `status`; without that the last line."""
        messages = list(self._causes) or list(self._echoes)
        if not messages and status is not None and status < 0:
            return f"it was ended by signal {-status} ({signal.strsignal(-status)})"
        messages = messages or [_LEVEL.split(line)[-1].strip() for line in list(self._tail)[-1:]]
        shown = list(dict.fromkeys(messages))[-_SHOWN_ERRORS:]
        return redact("; ".join(shown)) or "it reported no error"
