"""Report that PyAV, an optional dependency, is not installed."""

from __future__ import annotations

from flowrun.errors import InvalidFlowError


def missing(error: ImportError, key: str) -> InvalidFlowError:
    """The error for a flow with the value `av` at `key`, such as `source.decoder`."""
    return InvalidFlowError(
        f"`av` needs the package av, which cannot be imported: {error}",
        key=key,
        hint=f"pip install 'av>=17.1', or omit `{key.rpartition('.')[2]}`",
    )
