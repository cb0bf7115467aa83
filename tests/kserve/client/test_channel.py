"""Addresses, headers and TLS."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from flowrun.errors import TransportError
from flowrun.inference import Request
from flowrun.kserve.client.channel import call_metadata, open_channel
from flowrun.kserve.client.connection import open_connection
from flowrun.kserve.client.targets import Target
from flowrun.kserve.grpc_errors import GrpcErrors
from flowrun.spec.flow import Tls, TransportSpec

LIMIT = 10.0  # seconds, a guard against hanging
Build = Callable[..., Any]


def spec(*address: str, **fields: Any) -> TransportSpec:
    return TransportSpec("unary", address, "model", **fields)


def refused(build: Callable[[], Any]) -> str:
    with pytest.raises(TransportError) as caught:
        build()
    return str(caught.value)


@pytest.mark.parametrize("address", ["localhost", "http://localhost:9000", "embedded", ":9000"])
def test_an_address_has_a_host_and_a_port(address: str) -> None:
    assert refused(lambda: open_channel(spec(address), Target(address))) == (
        f"transport.address: {address!r} is not HOST:PORT\n  for instance localhost:9000"
    )


def test_every_one_of_several_addresses_must_exist() -> None:
    addresses = ["127.0.0.1:9000", "nowhere.invalid:9000"]
    assert refused(lambda: open_connection(spec(*addresses), addresses)) == (
        "transport.address: cannot connect to nowhere.invalid:9000 (no such host)\n"
        "  correct the host name"
    )


@pytest.mark.parametrize(
    "details",
    [
        "Stream removed (Socket closed)",
        "Stream removed (recvmsg:Connection reset by peer (104))",
        "Stream removed (sendmsg: Broken pipe (32))",  # gRPC wrote before it read the reset
    ],
)
def test_a_connection_that_the_server_closed_has_one_message(details: str) -> None:
    error = GrpcErrors(spec("server:9"), "server:9").unreachable(details)
    assert error.message == "cannot connect to server:9 (connection reset)"


@pytest.mark.parametrize(
    "details",
    [
        "UNKNOWN: ipv4:10.9.9.2:9: Failed to connect to remote host: connect() timed out",
        "UNKNOWN: ipv4:10.9.9.2:9: tcp handshaker shutdown",  # with and without TLS
    ],
)
def test_a_connection_that_times_out_is_not_a_matter_of_tls(details: str) -> None:
    error = GrpcErrors(spec("server:9"), "server:9").unreachable(details)
    assert (error.key, error.message) == (
        "transport.address",
        "cannot connect to server:9 (connection timed out)",
    )


@pytest.mark.parametrize("key", ["ca", "cert", "key"])
def test_a_missing_file_names_its_key(tmp_path: Path, key: str) -> None:
    files = {}
    for name in ("cert", "key"):
        files[name] = str(tmp_path / name)
        (tmp_path / name).write_text("x")
    files[key] = str(tmp_path / "missing")
    shown = "the file" if key == "key" else repr(files[key])
    assert refused(lambda: open_channel(spec("a:1", tls=Tls(**files)), Target("a:1"))) == (
        f"transport.tls.{key}: cannot read {shown}: No such file or directory\n"
        "  relative paths are relative to the working directory"
    )


@pytest.mark.parametrize(("given", "missing"), [("cert", "key"), ("key", "cert")])
def test_certificate_and_key_belong_together(given: str, missing: str) -> None:
    assert refused(lambda: open_channel(spec("a:1", tls=Tls(**{given: "x"})), Target("a:1"))) == (
        f"transport.tls.{missing}: a client certificate needs both `cert` and `key`"
    )


@pytest.mark.parametrize(
    ("broken", "text"),
    [
        ("ca", "the file has no certificate in PEM format"),
        ("cert", "the file has no certificate in PEM format"),
        ("key", "the file has no private key in PEM format"),
        ("other", "the key does not belong to the certificate of `cert`"),
        ("encrypted", "the key is encrypted"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_named(
    certificate: Path, other_certificate: Path, tmp_path: Path, broken: str, text: str
) -> None:
    files = {"ca": certificate / "cert.pem", "cert": certificate / "cert.pem"}
    files["key"] = certificate / "key.pem"
    (tmp_path / "text").write_text("no PEM")
    if broken == "encrypted":
        command = ["openssl", "pkey", "-in", str(files["key"]), "-aes256", "-passout", "pass:long"]
        files["key"] = tmp_path / "encrypted"
        subprocess.run([*command, "-out", str(files["key"])], check=True, timeout=60)
    elif broken == "other":
        files["key"] = other_certificate / "key.pem"
    else:
        files[broken] = tmp_path / "text"
    key = "key" if broken in ("other", "encrypted") else broken
    names = {name: str(path) for name, path in files.items()}
    said = refused(lambda: open_channel(spec("a:1", tls=Tls(**names)), Target("a:1")))
    assert said.startswith(f"transport.tls.{key}: {text}")


def test_headers_become_metadata() -> None:
    headers = {"Authorization": "Bearer abc", "x-tenant": "7"}
    assert call_metadata(spec(headers=headers)) == (
        ("authorization", "Bearer abc"),
        ("x-tenant", "7"),
    )


@pytest.mark.parametrize("name", ["a b", "grpc-timeout", "é", ""])
def test_a_header_that_grpc_cannot_send_is_named(name: str) -> None:
    assert refused(lambda: call_metadata(spec(headers={name: "s3cret"}))) == (
        f"transport.headers.{name}: gRPC cannot send a header of this name\n"
        "  letters, digits, `-`, `_` and `.`; not beginning with `grpc-`"
    )


@pytest.mark.parametrize(("name", "value"), [("a", "s3cret\n"), ("a", "s3crét"), ("a-bin", "x")])
def test_a_header_that_is_no_text_is_refused_without_its_value(name: str, value: str) -> None:
    assert refused(lambda: call_metadata(spec(headers={name: value}))) == (
        f"transport.headers.{name}: the header's value is not plain text"
    )


@pytest.mark.parametrize("authority", ["models.example.org", "models.example.org:8443"])
def test_the_server_is_told_the_authority(scripted: Build, connect: Build, authority: str) -> None:
    server = scripted()
    connect(server, "unary", authority=authority)
    assert server.hosts == [authority]


def test_without_an_authority_the_server_is_told_its_address(
    scripted: Build, connect: Build
) -> None:
    server = scripted()
    connect(server, "unary")
    assert server.hosts == [server.address]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with cert.pem and key.pem for localhost and 127.0.0.1."""
    return signed_for(tmp_path_factory, "DNS:localhost,IP:127.0.0.1")


@pytest.fixture(scope="session")
def other_certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with cert.pem and key.pem for models.example.org."""
    return signed_for(tmp_path_factory, "DNS:models.example.org")


def signed_for(tmp_path_factory: pytest.TempPathFactory, names: str) -> Path:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", "key.pem"),
            *("-addext", f"subjectAltName={names}", "-out", "cert.pem"),
        ],
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=60,
    )
    return folder


def with_tls(server: Any, certificate: Path) -> Any:
    server.stop()
    pair = ((certificate / "key.pem").read_bytes(), (certificate / "cert.pem").read_bytes())
    server.start(credentials=grpc.ssl_server_credentials([pair]))
    return server


@pytest.fixture
def secured(scripted: Build, certificate: Path) -> Any:
    """A scripted server that uses TLS."""
    return with_tls(scripted(), certificate)


@pytest.mark.parametrize("mode", ["unary", "stream"])
@pytest.mark.parametrize("authority", ["models.example.org", "models.example.org:8443"])
def test_the_certificate_is_verified_against_the_authority(
    scripted: Build, connect: Build, other_certificate: Path, mode: str, authority: str
) -> None:
    server = with_tls(scripted(), other_certificate)
    tls = Tls(ca=str(other_certificate / "cert.pem"))
    transport = connect(server, mode, tls=tls, authority=authority)
    assert transport.submit(Request({"": np.ones((1, 1, 3), np.uint8)})).result(LIMIT) is not None
    assert server.hosts == [authority]


def test_each_address_of_a_list_is_verified_by_its_own_name(
    scripted: Build,
    connect: Build,
    tmp_path_factory: pytest.TempPathFactory,
    tmp_path: Path,
) -> None:
    certificates = [
        signed_for(tmp_path_factory, f"{name}") for name in ("DNS:localhost", "IP:127.0.0.1")
    ]
    servers = [with_tls(scripted(), each) for each in certificates]
    servers[0].address = servers[0].address.replace("127.0.0.1", "localhost")
    ca = tmp_path / "ca.pem"
    ca.write_text("".join((each / "cert.pem").read_text() for each in certificates))
    transport = connect(servers, "unary", tls=Tls(ca=str(ca)))
    for _ in range(10):
        transport.submit(Request({"": np.ones((1, 1, 3), np.uint8)})).result(LIMIT)
    assert [len(server.requests) for server in servers] == [5, 5]


@pytest.mark.parametrize("authority", [None, "other.example.org"])
def test_a_certificate_for_another_host_is_named(
    scripted: Build, connect: Build, other_certificate: Path, authority: str | None
) -> None:
    server = with_tls(scripted(), other_certificate)
    tls = Tls(ca=str(other_certificate / "cert.pem"))
    assert refused(lambda: connect(server, "unary", tls=tls, authority=authority)) == (
        f"transport.authority: cannot connect to {server.address} (its certificate is for another"
        " host)\n"
        "  set `authority` to a host that the certificate names"
    )


def test_a_server_with_tls_responds(secured: Any, connect: Build, certificate: Path) -> None:
    transport = connect(secured, "unary", tls=Tls(ca=str(certificate / "cert.pem")))
    assert transport.submit(Request({"": np.ones((1, 1, 3), np.uint8)})).result(LIMIT) is not None


def test_a_certificate_of_an_unknown_authority_is_named(secured: Any, connect: Build) -> None:
    assert refused(lambda: connect(secured, "unary", tls=Tls())) == (
        f"transport.tls.ca: cannot connect to {secured.address} (certificate"
        " verification failed)\n"
        "  set `ca` to the certificate of the authority that signed the server's"
    )


def test_tls_where_there_is_none_is_named(scripted: Build, connect: Build) -> None:
    server = scripted()
    assert refused(lambda: connect(server, "unary", tls=Tls())) == (
        f"transport.tls: cannot connect to {server.address} (TLS handshake failed)\n"
        "  if the server does not use TLS, remove `tls`"
    )


def test_no_tls_where_there_is_one_is_named(secured: Any, connect: Build) -> None:
    assert refused(lambda: connect(secured, "unary")) == (
        f"transport.address: cannot connect to {secured.address} (connection reset)\n"
        "  see the server's log; if the server uses TLS, write `tls: {}` at least"
    )
