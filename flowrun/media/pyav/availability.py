"""PyAV is an extra: what to say where it is missing."""

from __future__ import annotations

from flowrun.errors import InvalidFlowError


def missing(error: ImportError, key: str) -> InvalidFlowError:
    """The error for a flow that says `av` at `key`, such as `source.decoder`."""
    return InvalidFlowError(
        f"`av` needs the package av, which cannot be imported: {error}",
        key=key,
        hint=f"pip install 'av>=17.1', or leave `{key.rpartition('.')[2]}` out",
    )
