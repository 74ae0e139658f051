"""Nodes that find each other, know each other by certificates, and tell what happens."""

from __future__ import annotations

import gc
import re
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
import trustme
from cache_conditions import until

from oxbridge import cache


def pem_files(folder: Path, authority: trustme.CA) -> cache.NodeTls:
    """Write a certificate that the authority has signed, and what else a node needs."""
    certificate = authority.issue_cert("127.0.0.1")
    ca, cert, key = (folder / name for name in ("ca.pem", "node.pem", "node.key"))
    authority.cert_pem.write_to_path(str(ca))
    for number, part in enumerate(certificate.cert_chain_pems):
        part.write_to_path(str(cert), append=number > 0)
    certificate.private_key_pem.write_to_path(str(key))
    return cache.NodeTls(ca, cert, key)


def node(tls: cache.NodeTls | None) -> tuple[cache.Instance, str, Any]:
    """Make a node that serves."""
    instance = cache.Instance(peers=cache.Peers("oxbridge", tls=tls, timeout=20))
    address = instance.serve()
    return instance, address, instance.group("things", lambda key: f"{address} {key}".encode())


def test_nodes_with_certificates_talk_and_others_do_not(tmp_path: Path) -> None:
    authority, other_authority = trustme.CA(), trustme.CA()
    places = [tmp_path / name for name in ("one", "two", "stranger")]
    for place in places:
        place.mkdir()
    one, two = (node(pem_files(place, authority)) for place in places[:2])
    stranger = node(pem_files(places[2], other_authority))
    with one[0], two[0], stranger[0]:
        addresses = [made[1] for made in (one, two, stranger)]
        assert all(address.startswith("https://127.0.0.1:") for address in addresses)
        for instance, _, _ in (one, two, stranger):
            instance.set_peers(addresses)
        key = next(key for key in map(str, range(1000)) if one[0].owner(key) == two[1])
        assert one[2].get(key) == two[2].get(key) == f"{two[1]} {key}".encode()
        assert one[2].stats()["peer_loads"] == 1
        # It is not let in, and loads for itself.
        assert stranger[2].get(key) == f"{stranger[1]} {key}".encode()
        assert stranger[2].stats()["peer_errors"] == 1
        # Without TLS nobody gets anything, either.
        port = int(two[1].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=20) as plain:
            plain.sendall(b"GET /_groupcache/things/a HTTP/1.1\r\nHost: a\r\n\r\n")
            answer = plain.recv(1 << 16)
            assert not answer.startswith(b"HTTP"), answer


def test_certificates_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    good = pem_files(tmp_path, trustme.CA())
    other = tmp_path / "other"
    other.mkdir()
    foreign = pem_files(other, trustme.CA())
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    for wrong, said in (
        (cache.NodeTls(tmp_path / "none.pem", good.cert, good.key), "none.pem"),
        (cache.NodeTls(good.ca, empty, good.key), "empty.pem"),
        (cache.NodeTls(empty, good.cert, good.key), "empty.pem"),
        (cache.NodeTls(good.ca, good.cert, foreign.key), "node.key"),
    ):
        with pytest.raises(ValueError, match=re.escape(said)):
            cache.Instance(peers=cache.Peers("oxbridge", tls=wrong))
    with pytest.raises(ValueError, match='"oxbridge" only'):
        cache.Instance(peers=cache.Peers("mailgun", tls=good))


@pytest.mark.parametrize(
    ("factor", "dialect"), [(0.5, "oxbridge"), (float("nan"), "oxbridge"), (1.25, "mailgun")]
)
def test_a_bound_that_is_none_is_told(factor: float, dialect: Any) -> None:
    with pytest.raises(ValueError, match="bounded_load is"):
        cache.Instance(peers=cache.Peers(dialect, bounded_load=factor))
    cache.Instance(peers=cache.Peers("oxbridge", bounded_load=1)).close()


def owners(instance: cache.Instance) -> set[str | None]:
    """Who owns something."""
    return {instance.owner(str(number)) for number in range(300)}


def test_a_file_and_the_dns_are_followed(tmp_path: Path) -> None:
    instance, address, _ = node(None)
    with instance:
        listed = tmp_path / "peers"

        def replace(text: str) -> None:
            new = tmp_path / "new"
            new.write_text(text)
            new.replace(listed)

        replace(f"{address}\nhttp://127.0.0.1:1 # another\n")
        following = instance.follow(file=listed, every=0.02)
        until(lambda: owners(instance) == {address, "http://127.0.0.1:1"})
        replace(f"{address}\n")
        until(lambda: owners(instance) == {address})
        following.close()
        following.close()
        replace(f"{address}\nhttp://127.0.0.1:1\n")
        port = int(address.rpartition(":")[2])
        instance.follow(dns=f"localhost:{port}", every=0.02)
        until(lambda: address in owners(instance))
        assert "http://127.0.0.1:1" not in owners(instance), "it is followed no longer"
        for wrong in ("localhost", "localhost:", "localhost:x", "localhost:70000"):
            with pytest.raises(ValueError, match="a name and a port"):
                instance.follow(dns=wrong)
        with pytest.raises(ValueError, match="every is 0"):
            instance.follow(dns="localhost:1", every=0)
    with pytest.raises(cache.CacheClosed):
        instance.follow(file=listed)
    with cache.Instance() as alone, pytest.raises(ValueError, match="without peers"):
        alone.follow(file=listed)


def test_a_function_is_told_what_happens_in_order() -> None:
    with cache.Instance() as instance:
        group = instance.group("things", lambda key: key.encode(), max_bytes=10)
        told: list[tuple[str, str | bytes | None, int]] = []
        here = threading.get_ident()
        threads: set[int] = set()

        def tell(kind: str, key: str | bytes | None, lost: int) -> None:
            threads.add(threading.get_ident())
            told.append((kind, key, lost))
            # It may use the cache.
            group.peek("a")

        listener = group.listen(tell)
        group.get("a")
        group.set("b", b"new")
        group.get("12345")
        group.delete("b")
        group.set(b"\xff", b"")
        group.clear()
        expected = [
            ("loaded", "a", 0),
            ("set", "b", 0),
            ("loaded", "12345", 0),
            ("deleted", "b", 0),
            ("set", b"\xff", 0),
            ("cleared", None, 0),
        ]

        def without_evictions() -> list[tuple[str, str | bytes | None, int]]:
            return [event for event in told if event[0] != "evicted"]

        until(lambda: without_evictions() == expected)
        assert any(kind == "evicted" for kind, _, _ in told)
        assert here not in threads
        listener.close()
        count = len(told)
        group.set("c", b"")
        # Another listener hears it, and so knows that the first would have.
        heard = threading.Event()
        second = group.listen(lambda *_: heard.set())
        group.set("d", b"")
        assert heard.wait(20)
        assert len(told) == count
        del second


def test_a_function_that_fails_or_is_slow_holds_nothing_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failures: list[Any] = []
    monkeypatch.setattr("sys.unraisablehook", failures.append)
    with cache.Instance() as instance:
        group = instance.group("things", lambda key: key.encode())
        gate = threading.Event()
        told: list[tuple[str, int]] = []

        def slow(kind: str, key: str | bytes | None, lost: int) -> None:
            told.append((kind, lost))
            assert gate.wait(20)
            if len(told) == 1:
                raise ZeroDivisionError

        listener = group.listen(slow)
        group.set("first", b"")
        until(lambda: told)
        for number in range(5000):
            group.set(str(number), b"")
        gate.set()
        until(lambda: any(kind == "lost" for kind, _ in told))
        lost = sum(lost for _, lost in told)
        until(lambda: len([kind for kind, _ in told if kind == "set"]) + lost == 5001)
        assert lost > 1000
        assert [failure.exc_type for failure in failures] == [ZeroDivisionError]
        listener.close()


def test_a_listener_that_is_dropped_is_gone() -> None:
    with cache.Instance() as instance:
        group = instance.group("things", lambda key: key.encode())

        class Owner:
            def __init__(self) -> None:
                # A cycle: the listener has the method, and the method has the listener.
                self.listener = group.listen(self.told)

            def told(self, kind: str, key: str | bytes | None, lost: int) -> None:
                """Do nothing."""

        import weakref

        owner = Owner()
        gone = weakref.ref(owner)
        del owner
        gc.collect()
        assert gone() is None
