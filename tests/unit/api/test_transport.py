"""The real wire, on this machine: what a broken connection is taken for, how fast it is left."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest

from pulumi_openrelay.api.transport import GRACE_SECONDS, HttpxTransport, WireRequest, trust
from pulumi_openrelay.caller import Direct
from pulumi_openrelay.errors import AnswerLost, Interrupted, Misconfigured, Unreachable

TRANSPORT = HttpxTransport()
"""As in the plugin, one for as long as it lives."""
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nX-Mixed: Case\r\n\r\n{}"


class Caller(Direct):
    """Interrupted when we say so."""

    def __init__(self) -> None:
        super().__init__(print)
        self.stop = threading.Event()

    @property
    def interrupted(self) -> bool:  # type: ignore[override]
        return self.stop.is_set()

    def wait(self, seconds: float, event: threading.Event | None = None) -> None:
        end = time.monotonic() + seconds
        while (event is None or not event.is_set()) and time.monotonic() < end:
            if self.interrupted:
                raise Interrupted
            (event or self.stop).wait(0.05)


@contextmanager
def server(behave: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that treats each connection so, once it has read a request; its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(30)

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(30)
                    while b"\r\n\r\n" not in connection.recv(65536):
                        pass
                    behave(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(30)


def request(url: str, method: str = "GET") -> WireRequest:
    return WireRequest(method, f"{url}/v1/x", {"accept": "application/json"}, {"a": "b c"}, None)


def test_an_answer_comes_with_its_headers_in_lower_case() -> None:
    with server(lambda connection: connection.sendall(OK)) as url:
        answer = TRANSPORT.send(request(url), Caller())
    assert (answer.status, answer.body, answer.headers["x-mixed"]) == (200, b"{}", "Case")


def test_a_closed_port_is_unreachable_so_that_anything_may_be_sent_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(Unreachable, match=rf"127\.0\.0\.1:{port} ") as error:
        TRANSPORT.send(request(f"http://127.0.0.1:{port}", "POST"), Caller())
    assert "openrelay:apiUrl" in str(error.value.advice)


REFUSED = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"


@pytest.mark.parametrize("refuses", [True, False], ids=["refuses", "away"])
def test_behind_a_proxy_that_fails_nothing_was_sent_and_it_is_the_proxy_that_is_named(
    monkeypatch: pytest.MonkeyPatch, refuses: bool
) -> None:
    with server(lambda connection: connection.sendall(REFUSED)) as url:
        address = url.removeprefix("http://")
        if not refuses:
            with socket.create_server(("127.0.0.1", 0)) as listening:
                address = f"127.0.0.1:{listening.getsockname()[1]}"
        monkeypatch.setenv("HTTPS_PROXY", f"http://ada:swordfish@{address}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        with pytest.raises(Unreachable) as error:
            HttpxTransport().send(request("https://api.example.com", "POST"), Caller())
    assert f"api.example.com cannot be reached through the proxy {address} (" in error.value.what
    assert "swordfish" not in error.value.what
    assert "proxy" in str(error.value.advice)


@pytest.mark.parametrize(
    ("url", "proxy", "believed"),
    [
        ("http://127.0.0.1:1", None, False),
        ("http://api.example.com", "https://proxy.example.com:3128", True),
        ("https://api.example.com", None, True),
    ],
)
def test_certificates_are_read_where_something_goes_over_tls_and_checked_even_so(
    monkeypatch: pytest.MonkeyPatch, url: str, proxy: str | None, believed: bool
) -> None:
    for name in ("ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    if proxy is not None:
        monkeypatch.setenv("HTTP_PROXY", proxy)
    context = trust(url)
    assert bool(context.get_ca_certs()) is believed
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


@pytest.mark.parametrize(
    "proxy",
    ["socks5://ada:swordfish@h:1", "ftp://ada:swordfish@h:1", "http://ada:swordfish@h:port"],
)
def test_a_proxy_that_cannot_be_used_is_one_sentence_without_its_password(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(Misconfigured) as error:
        HttpxTransport().send(request("https://api.example.com", "POST"), Caller())
    assert error.value.what == "the environment names a proxy that is no HTTP proxy"
    assert "HTTPS_PROXY and ALL_PROXY" in str(error.value.advice)


@pytest.mark.parametrize("key", ["swordfish\n", "swordfésh"])
def test_a_key_that_no_header_can_have_is_one_sentence_without_it(key: str) -> None:
    wire = replace(request("http://127.0.0.1:9"), headers={"x-api-key": key})
    with pytest.raises(Misconfigured) as error:
        TRANSPORT.send(wire, Caller())
    assert error.value.what == "the request's x-api-key has characters that no header has"


def test_a_host_that_is_none_is_one_sentence() -> None:
    with pytest.raises(Misconfigured, match="openrelay:apiUrl names no URL"):
        TRANSPORT.send(request("http://☃.example.com"), Caller())


@pytest.mark.parametrize(
    "behave",
    [
        lambda _: None,
        lambda connection: connection.sendall(OK[:30]),
        lambda connection: connection.sendall(OK[:-1]),
        lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9\r\n\r\n"),
    ],
    ids=["closed", "cut in the headers", "cut in the body", "no HTTP"],
)
def test_a_connection_that_breaks_after_the_request_leaves_the_outcome_open(
    behave: Callable[[socket.socket], None],
) -> None:
    with server(behave) as url, pytest.raises(AnswerLost):
        TRANSPORT.send(request(url, "POST"), Caller())


def test_a_redirect_is_an_answer_and_not_followed() -> None:
    """The key would go where the answer says."""
    moved = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n"
    with server(lambda connection: connection.sendall(moved)) as url:
        assert TRANSPORT.send(request(url), Caller()).status == 302


@pytest.mark.parametrize(("method", "sent"), [("GET", False), ("POST", True)])
def test_an_interrupt_leaves_a_request_that_hangs_at_once(method: str, sent: bool) -> None:
    caller, hangs = Caller(), threading.Event()

    def hang(_connection: socket.socket) -> None:
        caller.stop.set()
        hangs.wait(20)

    with server(hang) as url:
        began = time.monotonic()
        with pytest.raises(Interrupted) as interrupted:
            TRANSPORT.send(replace(request(url, method), answer_seconds=3600.0), caller)
        took = time.monotonic() - began
        hangs.set()
    assert interrupted.value.outcome_unknown is sent
    assert took < GRACE_SECONDS + 5  # and not the hour that this answer may take


def test_an_answer_may_take_as_long_as_its_request_says_and_no_longer() -> None:
    over = threading.Event()

    def hang(_connection: socket.socket) -> None:
        over.wait(20)

    with server(hang) as url:
        with pytest.raises(AnswerLost, match=r"did not answer within 0 s"):
            TRANSPORT.send(replace(request(url, "POST"), answer_seconds=0.1), Caller())
        over.set()


def test_an_answer_on_its_way_is_waited_for_a_moment_even_so() -> None:
    """With it, what was made is recorded."""
    caller = Caller()

    def late(connection: socket.socket) -> None:
        caller.stop.set()
        caller.stop.wait(0)
        threading.Event().wait(GRACE_SECONDS / 4)
        connection.sendall(OK)

    with server(late) as url:
        assert TRANSPORT.send(request(url, "POST"), caller).status == 200


def test_nothing_is_sent_for_whoever_is_interrupted_already() -> None:
    caller, sent = Caller(), threading.Event()
    caller.stop.set()
    with server(lambda _: sent.set()) as url, pytest.raises(Interrupted):
        TRANSPORT.send(request(url, "POST"), caller)
    assert not sent.is_set()


def test_many_are_under_way_at_once() -> None:
    """Each on a connection of its own: sixty-four answers come when all have asked."""
    together = threading.Barrier(64, timeout=20)
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:

        def serve(connection: socket.socket) -> None:
            with connection, suppress(threading.BrokenBarrierError):
                connection.recv(65536)
                together.wait()
                connection.sendall(OK)

        def accept() -> None:
            for _ in range(64):
                connection, _ = listening.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        answers: list[int] = []
        callers = [
            threading.Thread(
                target=lambda: answers.append(TRANSPORT.send(request(url), Caller()).status)
            )
            for _ in range(64)
        ]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join(30)
    assert answers == [200] * 64
