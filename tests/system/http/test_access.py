"""Which requests are answered, by name, by site and by token."""

from __future__ import annotations

from email.message import Message
from typing import Any

import pytest

from flowrun.system.http.access import Access
from flowrun.system.http.messages import Request, Response

PORT = 8080
TOKEN = "a-long-token"
OPENED = {"Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}


def ask(
    access: Access, path: str = "/", query: Any = None, loopback: bool = True, **headers: str
) -> Response | None:
    message: Message[str, str] = Message()
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    request = Request(path, query or {}, message)
    return access.refusal(request, loopback=loopback, port=PORT)


def status(*arguments: Any, **options: Any) -> int:
    """The status of the refusal; 200 if the request is allowed."""
    refusal = ask(*arguments, **options)
    return 200 if refusal is None else refusal.status


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.0.0.1:8080", "127.8.9.1:8080", "localhost", "LOCALHOST:8080"),
        *("localhost.", "run.localhost:8080", "[::1]", "[::1]:8080"),
    ],
)
def test_a_loopback_address_answers_to_loopback_names(host: str) -> None:
    assert status(Access(), Host=host) == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example"),
        *("notlocalhost", "10.0.0.1", "[fe80::1]:8080", "[::1", "", "evil.example#127.0.0.1"),
    ],
)
def test_a_loopback_address_refuses_every_other_name(host: str) -> None:
    assert status(Access(), Host=host) == 421
    assert status(Access(), Host=host, loopback=False) == 200


def test_hosts_are_further_names() -> None:
    access = Access(hosts=("cam.example",))
    assert status(access, Host="CAM.example:80") == 200
    assert status(access, Host="other.example") == 421


def test_a_program_needs_no_host_header() -> None:
    assert status(Access()) == 200


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ({"Sec_Fetch_Site": "same-origin", "Sec_Fetch_Dest": "image"}, 200),
        ({**OPENED, "Sec_Fetch_Site": "none"}, 200),
        ({**OPENED, "Sec_Fetch_Site": "cross-site"}, 200),  # somebody follows a link to the page
        ({**OPENED, "Sec_Fetch_Site": "cross-site", "Sec_Fetch_Dest": "iframe"}, 403),
        ({"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"}, 403),
        ({"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "cors"}, 403),  # of another port
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:8080"}, 200),
    ],
)
@pytest.mark.parametrize("loopback", [True, False])
def test_pages_of_other_sites_are_refused(headers: Any, wanted: int, loopback: bool) -> None:
    assert status(Access(), Host="127.0.0.1:8080", loopback=loopback, **headers) == wanted


def test_a_token_is_needed_by_every_request() -> None:
    access = Access(token=TOKEN)
    for loopback in (True, False):
        assert status(access, loopback=loopback) == 401
        assert status(access, "/stream", loopback=loopback) == 401
        assert status(access, query={"token": "wrong"}, loopback=loopback) == 401
        assert status(access, Authorization="Bearer wrong", loopback=loopback) == 401
        assert status(access, Authorization=f"Basic {TOKEN}", loopback=loopback) == 401
        assert status(access, Cookie=f"flowrun-{PORT}={TOKEN}", loopback=loopback) == 401
        assert status(access, Cookie="\x00;==;", loopback=loopback) == 401
        assert status(access, Authorization=f"bearer {TOKEN}", loopback=loopback) == 200
        assert status(access, "/stream", {"token": TOKEN}, loopback=loopback) == 200


def test_the_page_exchanges_the_token_of_its_address_for_a_cookie() -> None:
    access = Access(token=TOKEN)
    response = ask(access, "/", {"token": TOKEN})
    assert response is not None
    assert (response.status, response.headers["Location"]) == (303, "/")
    cookie = response.headers["Set-Cookie"]
    assert TOKEN not in cookie
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert status(access, "/", Cookie=f"other=1; {cookie.partition(';')[0]}") == 200
    other_port = access.refusal(
        Request("/", {}, _with_cookie(cookie.partition(";")[0])), loopback=True, port=PORT + 1
    )
    assert other_port is not None
    assert other_port.status == 401


def _with_cookie(cookie: str) -> Message[str, str]:
    message: Message[str, str] = Message()
    message["Cookie"] = cookie
    return message
