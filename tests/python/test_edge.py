"""What stands between a client and the server: proxies, default header fields, options of TLS."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from certificates import Certificates
from oxbridge import Mux, Request, ResponseWriter, Tls
from oxbridge._oxbridge import Core
from wire import Wire

GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def who(w: ResponseWriter, req: Request) -> None:
    w.write(f"{req.remote_addr} {req.scheme}")


@contextmanager
def core(tls: Tls | None = None, **options: object) -> Iterator[Core]:
    """Serve `who` with these options of `Core`."""
    mux = Mux()
    mux.handle("/", who)
    server = Core(mux._mux, ["127.0.0.1:0"], tls, options)
    server.start()
    try:
        yield server
    finally:
        server.begin_stop(0)
        assert server.wait(30)


def url(server: Core) -> str:
    assert server.url is not None
    return server.url


def address(server: Core) -> tuple[str, int]:
    host, port = server.addresses[0].rsplit(":", 1)
    return host, int(port)


def closes(wire: Wire) -> None:
    """Require that the server closes and says nothing before."""
    said = b""
    # The server leaves what it does not want unread, and such a close may be a reset.
    with suppress(ConnectionError):
        said = wire.rest()
    assert said == b""


# Proxies


@pytest.mark.parametrize(
    ("allowed", "fields", "expected"),
    [
        (None, "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n", "{me} http"),
        ("", "X-Forwarded-For: 192.0.2.1\r\n", "{me} http"),
        ("10.0.0.0/8", "X-Forwarded-For: 192.0.2.1\r\n", "{me} http"),
        ("127.0.0.1", "X-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1:0 http"),
        ("127.0.0.1", "X-Forwarded-Proto: https\r\n", "{me} https"),
        (
            "127.0.0.0/8, ::1",
            'Forwarded: for="[2001:db8::1]:9";proto=https\r\n',
            "[2001:db8::1]:9 https",
        ),
        ("*", "X-Forwarded-For: 192.0.2.1, 192.0.2.2\r\n", "192.0.2.1:0 http"),
    ],
)
def test_what_trusted_proxies_say_is_the_client(
    allowed: str | None, fields: str, expected: str
) -> None:
    with core(forwarded_allow_ips=allowed) as server, Wire(url(server)) as wire:
        wire.send(f"GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
        me = "{}:{}".format(*wire.socket.getsockname())
        assert wire.answer().read().decode() == expected.format(me=me)


def test_a_proxy_header_names_the_client() -> None:
    with core(proxy_protocol=True) as server:
        with Wire(url(server)) as wire:
            wire.send("PROXY TCP4 192.0.2.1 198.51.100.1 4660 443\r\n" + GET)
            assert wire.answer().read() == b"192.0.2.1:4660 http"
        with Wire(url(server)) as wire:
            wire.send(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c")
            wire.send(bytes([192, 0, 2, 1, 198, 51, 100, 1, 0x12, 0x34, 1, 187]))
            wire.send(GET)
            assert wire.answer().read() == b"192.0.2.1:4660 http"
        with Wire(url(server)) as wire:
            wire.send(GET)
            closes(wire)


def test_a_proxy_header_is_taken_from_those_who_may_send_it() -> None:
    for allowed, answered in (("127.0.0.1", True), (None, True), ("10.0.0.0/8", False)):
        with (
            core(proxy_protocol=True, proxy_protocol_from=allowed) as server,
            Wire(url(server)) as wire,
        ):
            wire.send("PROXY TCP4 192.0.2.1 198.51.100.1 4660 443\r\n" + GET)
            if answered:
                assert wire.answer().read() == b"192.0.2.1:4660 http"
            else:
                closes(wire)


@pytest.mark.needs("curl")
def test_curl_sends_a_proxy_header(program: Callable[[str], str]) -> None:
    with core(proxy_protocol=True) as server:
        # curl names its own address.
        command = [program("curl"), "-sS", "--haproxy-protocol", url(server)]
        told = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
        assert told.startswith(b"127.0.0.1:")
        plain = [program("curl"), "-sS", url(server)]
        assert subprocess.run(plain, capture_output=True, timeout=60, check=False).returncode != 0


# Fields of every answer


def test_every_answer_carries_the_fields_that_were_chosen() -> None:
    fields = [("X-Frame-Options", "DENY"), ("Link", "<a>"), ("Link", "<b>"), ("X-Word", "é")]
    with core(server_header="ours", date_header=False, headers=fields) as server:
        for request in (GET, "PUT /% HTTP/1.1\r\nHost: a\r\n\r\n", "rubbish\r\n\r\n"):
            with Wire(url(server)) as wire:
                wire.send(request)
                answer = wire.answer()
                assert answer.headers["Server"] == "ours"
                assert answer.headers["X-Frame-Options"] == "DENY"
                assert answer.headers["X-Word"] == "é"
                assert answer.headers.get_all("Link") == ["<a>", "<b>"]
                assert "Date" not in answer.headers
    with core(server_header=None) as server, Wire(url(server)) as wire:
        wire.send(GET)
        answer = wire.answer()
        assert "Server" not in answer.headers
        assert answer.headers["Date"].endswith(" GMT")


@pytest.mark.parametrize(
    ("option", "value", "error", "words"),
    [
        (
            "proxy_protocol",
            "yes",
            TypeError,
            r"proxy_protocol is 'yes' \(str\); wanted True or False",
        ),
        ("forwarded_allow_ips", 7, TypeError, "wanted a string or None"),
        ("forwarded_allow_ips", "10.0.0.1/8", ValueError, "wanted the network 10.0.0.0/8"),
        ("proxy_protocol_from", "nobody", ValueError, '"nobody" is no address that can be trusted'),
        ("server_header", "a\r\nb", ValueError, "server_header: .* is no value of a header field"),
        ("headers", [("a b", "c")], ValueError, '"a b" is no name of a header field'),
        ("headers", [("a", "\u2603")], ValueError, "is no value of a header field"),
        ("headers", {"a": "b"}, TypeError, "wanted a list of pairs of strings"),
        ("date_header", None, TypeError, "wanted True or False"),
        ("proxy_protocl", True, TypeError, "unknown option .* proxy_protocol, .* headers"),
    ],
)
def test_a_wrong_option_is_explained(
    option: str, value: object, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        Core(Mux()._mux, [], None, {option: value})


def test_a_field_that_belongs_to_one_message_is_refused() -> None:
    server = Core(Mux()._mux, ["127.0.0.1:0"], None, {"headers": [("Content-Length", "1")]})
    with pytest.raises(ValueError, match="cannot add content-length to every answer"):
        server.start()


# TLS


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def pair(place: Path, authority: trustme.CA, name: str) -> tuple[Path, Path]:
    """Write a certificate for a host, and its key."""
    issued = authority.issue_cert(name)
    chain, key = place / f"{name}.pem", place / f"{name}.key"
    for part in issued.cert_chain_pems:
        part.write_to_path(chain, append=True)
    issued.private_key_pem.write_to_path(key)
    return chain, key


def shake_hands(server: Core, name: str, context: ssl.SSLContext) -> ssl.SSLSocket:
    """Connect and ask for a name; the caller closes."""
    plain = socket.create_connection(address(server), timeout=30)
    return context.wrap_socket(plain, server_hostname=name)


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def test_a_locked_key_needs_its_password(certificates: Certificates, tmp_path: Path) -> None:
    key = load_pem_private_key(certificates.key.read_bytes(), None)
    locked = tmp_path / "locked.key"
    locked.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"sesame"))
    )
    context = ssl.create_default_context(cafile=certificates.authority)
    for password in ("sesame", b"sesame"):
        tls = Tls(certificates.chain, locked, password=password)
        assert "sesame" not in repr(tls)
        with core(tls) as server:
            shake_hands(server, "localhost", context).close()
    for wrong, words in (
        (None, "it is locked with a password, and none was given"),
        ("other", "the password does not unlock it"),
    ):
        tls = Tls(certificates.chain, locked, password=wrong)
        with pytest.raises(ValueError, match=f"private key {locked}: {words}"), core(tls):
            pass


def test_names_have_certificates_of_their_own(authority: trustme.CA, tmp_path: Path) -> None:
    names = ("first.example", "second.example", "third.example")
    first, *others = (pair(tmp_path, authority, name) for name in names)
    tls = Tls(*first, others=others)
    assert tls.others == others
    with core(tls) as server:
        for name in names:
            # The client checks that the certificate is for the name.
            shake_hands(server, name, trusting(authority)).close()
        with pytest.raises(ssl.SSLCertVerificationError):
            shake_hands(server, "fourth.example", trusting(authority))


def test_version_and_suites_can_be_chosen(authority: trustme.CA, tmp_path: Path) -> None:
    first = pair(tmp_path, authority, "first.example")
    old = trusting(authority)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    assert Tls(*first).min_version == "1.2"
    with core(Tls(*first, min_version="1.3")) as server:
        shake_hands(server, "first.example", trusting(authority)).close()
        with pytest.raises(ssl.SSLError):
            shake_hands(server, "first.example", old)
    with (
        core(Tls(*first, ciphers="TLS_CHACHA20_POLY1305_SHA256")) as server,
        shake_hands(server, "first.example", trusting(authority)) as session,
    ):
        cipher = session.cipher()
        assert cipher is not None
        assert cipher[0] == "TLS_CHACHA20_POLY1305_SHA256"
    # What uvicorn has for a default.
    with core(Tls(*first, ciphers="TLSv1")) as server:
        shake_hands(server, "first.example", old).close()
    unknown = core(Tls(*first, ciphers="ROT13"))
    with pytest.raises(ValueError, match="known are TLS13_AES_256_GCM_SHA384"), unknown:
        pass
    with pytest.raises(ValueError, match=r'min_version is "1\.1"; wanted "1.2" or "1.3"'):
        Tls(*first, min_version="1.1")  # type: ignore[arg-type]


def test_a_revocation_list_that_cannot_be_used_is_named(
    certificates: Certificates, tmp_path: Path
) -> None:
    absent = tmp_path / "crl.pem"
    tls = Tls(
        certificates.chain, certificates.key, client_ca=certificates.authority, client_crls=[absent]
    )
    with pytest.raises(OSError, match=f"revocation list {absent}: cannot be read"), core(tls):
        pass
    absent.write_text("nothing\n")
    with (
        pytest.raises(ValueError, match=f"revocation list {absent}: no revocation list"),
        core(tls),
    ):
        pass
