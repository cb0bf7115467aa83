"""Check certificates and keys before gRPC reads them: it reports only that a handshake fails."""

from __future__ import annotations

import ssl

from flowrun.errors import TransportError
from flowrun.spec.flow import Tls


def check_files(tls: Tls) -> None:
    """Raise `TransportError` with the key of the file that is not what it should be: PEM, and a key
    that is not encrypted and belongs to the certificate. All files of `tls` can be read."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if tls.ca is not None:
        try:
            context.load_verify_locations(tls.ca)
        except ssl.SSLError as error:
            raise _not_pem("ca", "a certificate") from error
    if tls.cert is None or tls.key is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(tls.cert)
    except ssl.SSLError as error:
        raise _not_pem("cert", "a certificate") from error
    encrypted: list[bool] = []

    def password() -> str:
        encrypted.append(True)
        return ""

    try:
        context.load_cert_chain(tls.cert, tls.key, password)
    except ssl.SSLError as error:
        if encrypted:
            text, hint = "the key is encrypted", "decrypt it: `openssl pkey -in FILE -out FILE`"
        elif error.reason == "KEY_VALUES_MISMATCH":
            text, hint = "the key does not belong to the certificate of `cert`", None
        else:
            raise _not_pem("key", "a private key") from error
        raise TransportError(text, key="transport.tls.key", hint=hint) from error


def _not_pem(key: str, what: str) -> TransportError:
    return TransportError(
        f"the file has no {what.partition(' ')[2]} in PEM format",
        key=f"transport.tls.{key}",
        hint=f"a PEM file has {what} as text, after a line with -----BEGIN",
    )
