"""gRPC's details of a failed connection, as it gives them, and what they mean."""

from __future__ import annotations

from typing import Any

import pytest

from flowrun.kserve.connection_failures import explain
from flowrun.spec.flow import Tls, TransportSpec

ADDRESS = "gpu-box:9000"
TLS, MUTUAL = Tls(ca="ca.pem"), Tls(ca="ca.pem", cert="me.pem", key="me.key")
VERIFY = (
    "Tls handshake failed (TSI_PROTOCOL_FAILURE): SSL_ERROR_SSL: error:1000007d:SSL routines:"
    "OPENSSL_internal:CERTIFICATE_VERIFY_FAILED: "
)


@pytest.fixture(autouse=True)
def without_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("grpc_proxy", "https_proxy", "http_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("details", "tls", "text", "key", "hint"),
    [
        (VERIFY + "certificate has expired: OK", TLS, "has expired", "address", "renew"),
        (VERIFY + "certificate is not yet valid: OK", TLS, "not valid yet", "address", "clock"),
        (
            VERIFY + "unable to get local issuer certificate: OK",
            TLS,
            "verif",
            "tls.ca",
            "authority",
        ),
        (VERIFY + "self-signed certificate: OK", TLS, "verif", "tls.ca", "authority that signed"),
        (
            "Custom verification check failed with error: UNAUTHENTICATED: Hostname Verification"
            " Check failed.",
            TLS,
            "another host",
            "authority",
            "names",
        ),
        ("UNAVAILABLE: ipv4:1.2.3.4:9: Socket closed", None, "reset", "address", "`tls: {}`"),
        ("UNAVAILABLE: ipv4:1.2.3.4:9: Socket closed", TLS, "after the TLS", "tls", "`tls.cert`"),
        ("UNAVAILABLE: ipv4:1.2.3.4:9: Socket closed", MUTUAL, "after", "tls.cert", "trusts"),
        (
            "unix:/x.sock: connect failed: addr: unix:/x.sock error: No such file or directory",
            None,
            "no such socket",
            "address",
            "path",
        ),
    ],
)
def test_each_failure_has_its_words_its_key_and_what_to_do(
    details: str, tls: Any, text: str, key: str, hint: str
) -> None:
    failure = explain(details, TransportSpec("unary", (ADDRESS,), "m", tls=tls), ADDRESS)
    assert failure is not None
    assert text in failure.text
    assert failure.key == f"transport.{key}"
    assert hint in (failure.hint or "")


@pytest.mark.parametrize(
    ("details", "text"),
    [
        (
            "ipv4:127.0.0.1:3128: HTTP proxy returned response code 403",
            "the proxy refuses: HTTP 403",
        ),
        (
            "ipv4:127.0.0.1:3128: Failed to connect to remote host: Connection refused",
            "unavailable",
        ),
        ("errors resolving proxy:3128: Domain name not found", "the proxy is unavailable"),
    ],
)
def test_a_proxy_of_the_environment_is_named(
    monkeypatch: pytest.MonkeyPatch, details: str, text: str
) -> None:
    spec = TransportSpec("unary", (ADDRESS,), "m")
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    failure = explain(details, spec, ADDRESS)
    assert failure is not None
    assert text in failure.text
    assert failure.hint == "correct the variable `https_proxy`, or add gpu-box to `no_proxy`"
    monkeypatch.setenv("no_proxy", "gpu-box")
    failure = explain(details, spec, ADDRESS)
    assert failure is None or "proxy" not in failure.text


def test_details_that_are_not_known_are_none() -> None:
    assert explain("something new", TransportSpec("unary", (ADDRESS,), "m"), ADDRESS) is None
