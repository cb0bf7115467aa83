"""The TLS settings of a sink for lines."""

from __future__ import annotations

import ssl

from flowrun.errors import SinkError
from flowrun.spec.flow import Tls


def client_context(tls: Tls | None, key: str) -> ssl.SSLContext:
    """What the connection verifies and shows. Raises `SinkError` for files that cannot be used."""
    tls = tls or Tls()
    try:
        context = ssl.create_default_context(cafile=tls.ca)
        if tls.cert is not None:
            context.load_cert_chain(tls.cert, tls.key)
    except (OSError, ValueError) as error:
        files = ", ".join(file for file in (tls.ca, tls.cert, tls.key) if file)
        raise SinkError(f"{files} cannot be used: {error}", key=f"{key}.tls") from error
    return context
