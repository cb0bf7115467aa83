"""A password that is not percent-encoded is found, and no piece of it is shown."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun.errors import SourceError
from flowrun.media import source_errors
from flowrun.spec.load import load_flow
from flowrun.spec.problems import FlowError
from flowrun.spec.user_info import hidden, is_broken, is_doubtful

SECRET = "XYZZY"
# Every piece of these passwords has the secret. None looks like the end of one URL and another one.
PASSWORDS = (
    st.lists(st.sampled_from([*"/?#@% :&=", "%4", ": ", "://"]), min_size=1, max_size=6)
    .map(lambda separators: SECRET + "".join(f"{each}{SECRET}" for each in separators))
    .filter(lambda password: f" {SECRET}://" not in password)
)


@pytest.mark.parametrize(
    ("uri", "doubtful", "broken"),
    [
        ("rtsp://host/cam", False, False),
        ("rtsp://u:p@host:8554/cam", False, False),
        ("rtsp://u:p@ss%w@host/cam", False, False),  # ffmpeg accepts it
        ("rtsp://u:a%2Fb@[::1]:8554/cam", False, False),
        ("http://host:8080/a@2x.jpg", True, False),
        ("http://host/?mail=me@b.example", True, False),
        ("rtsp://u:p@host/cam@main", True, False),
        ("http://host/100% a@2x.jpg", True, False),
        ("rtsp://50%/b@host/cam", True, True),
        ("http://[::1]/a@2x.jpg", True, False),
        ("rtsp://u:1/2@host/cam", True, False),  # the host u with the port 1
        ("rtsp://u:a/b@host/cam", True, True),
        ("RTSP://u:a#b@host/cam", True, True),
        ("https://u:a?b@host/cam", True, True),
        ("rtsp://u:/b@host/cam", True, True),
        ("rtsp://a b:hu@nter/zwo:w%#?1@host/cam", True, True),
        ("rtsp://u:a@b/%c@host/cam", True, True),
        ("frames/a:b@c/%04d.png", False, False),
    ],
)
def test_an_at_sign_after_the_host_is_doubtful(uri: str, doubtful: bool, broken: bool) -> None:
    assert (is_doubtful(uri), is_broken(uri)) == (doubtful, broken)


@given(PASSWORDS)
def test_an_encoded_password_is_not_doubtful(password: str) -> None:
    assert not is_doubtful(f"rtsp://user:{quote(password, safe='')}@host/cam")


@given(PASSWORDS, st.sampled_from(["rtsp", "http"]))
def test_no_message_shows_a_piece_of_it(password: str, scheme: str) -> None:
    uri = f"{scheme}://user:{password}@host:8554/cam"
    authority = re.split(r"[/?#]", uri.partition("://")[2])[0]
    host = authority.rpartition("@")[2].partition(":")[0]
    texts = [f"Failed to resolve hostname {host}: Name or service not known",
             f"Connection to tcp://{authority.rpartition('@')[2]}?timeout=0 failed: refused",
             f"{uri}: Port missing in uri"]  # fmt: skip
    error = source_errors.unreadable(uri, "; ".join(texts) if is_doubtful(uri) else texts[2])
    assert isinstance(error, SourceError)
    assert SECRET not in str(error)
    assert ("percent-encode" in str(error)) == is_doubtful(uri)


@given(PASSWORDS, st.sampled_from(["source", "sink"]))
def test_no_problem_of_a_flow_shows_a_piece_of_it(
    tmp_path_factory: pytest.TempPathFactory, password: str, key: str
) -> None:
    path = tmp_path_factory.mktemp("flow") / "flow.yaml"
    path.write_text(f"wrong: 1\n{key}: 'rtsp://user:{password}@host/cam'\n", encoding="utf-8")
    with pytest.raises(FlowError) as raised:
        load_flow(path)
    assert SECRET not in str(raised.value)


def test_short_pieces_are_masked_as_words_only() -> None:
    text = "port 1 of host u in 10 s"
    assert hidden(text, "rtsp://u:1/2@host/cam", "***") == "port *** of host *** in 10 s"
    assert hidden(text, "rtsp://u:1@host/cam", "***") == text
