"""Build the errors for a source that ffmpeg or PyAV cannot read."""

from __future__ import annotations

from flowrun.errors import SourceError, SourceReason
from flowrun.spec.secrets import MASK, redact
from flowrun.spec.user_info import ENCODE, hidden, is_doubtful

# Parts of libav's messages, the most specific first.
_REASONS: tuple[tuple[str, SourceReason], ...] = (
    ("No such file or directory", "not found"),
    ("404 Not Found", "not found"),
    ("No such device", "not found"),
    ("Invalid device index", "not found"),
    ("Could not find video device", "not found"),
    ("Failed to resolve hostname", "not found"),
    ("Connection refused", "refused"),
    ("401 Unauthorized", "unauthorised"),
    ("SETUP failed: 461", "unsupported transport"),  # of RTSP (RFC 2326, 11.3.15)
    ("Nonmatching transport in server reply", "unsupported transport"),
    ("Invalid data found", "codec"),
    ("Decoder not found", "codec"),
    ("No codec tag defined", "codec"),  # of the container between ffmpeg and PyAV
    ("Error muxing a packet", "codec"),  # which needs a time for each
    ("could not find codec parameters", "codec"),
    ("timed out", "timed out"),
)
_HINTS: dict[SourceReason, str] = {
    "unsupported transport": "the server refuses both tcp and udp as `source.rtsp_transport`"
}


def reason_of(text: str) -> SourceReason:
    """The reason that libav's message `text` names."""
    return next((reason for part, reason in _REASONS if part in text), "failed")


def unreadable(
    uri: str, text: str, *, frames: int = 0, reason: SourceReason | None = None
) -> SourceError:
    """The error for a source that failed after `frames` frames with libav's message `text`, which
    decides the reason where none is given."""
    after = f" after {frames} frames" if frames else ""
    reason = reason or reason_of(text)
    advice = f"; if the `@` ends a password, {ENCODE}" if is_doubtful(uri) and not frames else ""
    return SourceError(
        f"{redact(uri)} cannot be read{after}: {hidden(redact(text), uri, MASK)}{advice}",
        reason=reason,
        hint=_HINTS.get(reason),
    )


def without_video(uri: str) -> SourceError:
    """The error for a source without a video stream."""
    return SourceError(f"there is no video in {redact(uri)}", reason="no video")


def without_frames(uri: str) -> SourceError:
    """The error for a video stream without a frame."""
    return SourceError(f"there is no frame in {redact(uri)}", reason="no video")
