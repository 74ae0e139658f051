"""A Valkey or Redis behind the memory of several instances."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cache_conditions import until
from engine_process import Engine, engine

from oxbridge import cache

pytestmark = pytest.mark.needs("redis-server")


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Engine]:
    """Run an engine for the length of a test."""
    with engine(tmp_path) as running:
        yield running


class Process:
    """What would be a process of its own elsewhere."""

    def __init__(self, settings: cache.Redis, **options: Any) -> None:
        self.instance = cache.Instance(second_tier=settings, **options)
        self.asked: list[str] = []
        self.group = self.instance.group("things", self.load, negative_ttl=60)

    def load(self, key: str) -> bytes:
        """Be the getter."""
        self.asked.append(key)
        if key == "missing":
            raise cache.NotFound("no missing")
        return f"{key} {len(self.asked)}".encode()

    def __enter__(self) -> Process:
        until(lambda: self.instance.is_listening)
        return self

    def __exit__(self, *_: object) -> None:
        self.instance.close()


@pytest.mark.parametrize("invalidation", ["pubsub", "tracking"])
def test_processes_share_values_and_learn_of_changes(redis: Engine, invalidation: Any) -> None:
    settings = cache.Redis(redis.url, prefix="shop", invalidation=invalidation)
    with Process(settings) as one, Process(settings) as other:
        assert one.group.get("tea") == other.group.get("tea") == b"tea 1"
        for process in (one, other):
            with pytest.raises(cache.NotFound, match="no missing"):
                process.group.get("missing")
        assert (one.asked, other.asked) == (["tea", "missing"], [])
        assert other.group.stats()["tier_hits"] == 2
        one.group.set("tea", b"green")
        assert one.group.get("tea") == b"green"
        until(lambda: other.group.get("tea") == b"green")
        other.group.delete("tea")
        until(lambda: one.group.get("tea") != b"green")
        assert b"oxc1v" in redis.ask(b"GET shop/things/tea")
        text = one.instance.prometheus()
        assert 'oxbridge_cache_tier_hits_total{group="things"}' in text


def test_objects_and_coroutines(redis: Engine) -> None:
    async def main() -> None:
        async def load(key: str) -> dict[str, str]:
            await asyncio.sleep(0)
            return {"name": key}

        settings = cache.Redis(redis.url)
        async with cache.Instance(second_tier=settings) as one:
            group = one.group("people", load, serializer="json", ttl=100)
            assert await group.aget("ann") == {"name": "ann"}
            await group.aset("bob", {"name": "Robert"})
            assert await group.aget_many(["ann", "bob"]) == {
                "ann": {"name": "ann"},
                "bob": {"name": "Robert"},
            }
        async with cache.Instance(second_tier=settings) as other:
            group = other.group("people", load, serializer="json")
            assert await group.aget("bob") == {"name": "Robert"}

    asyncio.run(main())
    ttl = int(redis.ask(b"TTL oxbridge/people/ann").strip(b":\r\n"))
    assert 0 < ttl <= 100


def test_without_the_engine_values_are_loaded_and_changes_refused(redis: Engine) -> None:
    settings = cache.Redis(redis.url, timeout=2, max_stale=0.5)
    with Process(settings) as process:
        process.group.set("tea", b"green")
        redis.kill()
        until(lambda: not process.instance.is_listening)
        assert process.group.get("tea") == b"tea 1"
        assert process.group.get("tea") == b"tea 2", "memory is not believed"
        assert process.group.stats()["tier_errors"] >= 2
        with pytest.raises(cache.TierError, match=rf"127\.0\.0\.1:{redis.port}"):
            process.group.set("tea", b"black")
        with pytest.raises(cache.TierError):
            process.group.delete("tea")


def test_a_function_in_a_cluster_has_the_tier_behind_it(redis: Engine) -> None:
    settings = cache.Redis(redis.url)
    peers = cache.Peers("oxbridge", secret=b"of the tests")
    with cache.Instance(peers=peers, second_tier=settings) as node:
        node.set_peers([node.serve()])
        called: list[int] = []

        @cache.cached(instance=node)
        def square(number: int) -> int:
            called.append(number)
            return number * number

        assert square(12) == square(12) == 144
        square.cache_clear()
        assert square(12) == 144
        assert called == [12]
        square.delete(12)
        assert square(12) == 144
        assert called == [12, 12]


def test_nodes_register_themselves(redis: Engine) -> None:
    settings = cache.Redis(redis.url)

    def node() -> tuple[cache.Instance, str]:
        peers = cache.Peers("oxbridge", secret=b"of the tests")
        instance = cache.Instance(peers=peers, second_tier=settings)
        address = instance.serve()
        instance.follow(registry=True, every=0.1)
        return instance, address

    def owners(instance: cache.Instance) -> set[str | None]:
        return {instance.owner(str(number)) for number in range(300)}

    (one, first), (other, second) = node(), node()
    with one:
        with other:
            until(lambda: owners(one) == owners(other) == {first, second})
        until(lambda: owners(one) == {first})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (cache.Redis(), "exactly one of url, sentinels and cluster"),
        (cache.Redis("redis://a", cluster=["redis://b"]), "exactly one of"),
        (cache.Redis("http://user:pass@a"), '"http"'),
        (cache.Redis(sentinels=["redis://a"]), "master is missing"),
        (cache.Redis("redis://a", password="p"), "password is for sentinels only"),
        (cache.Redis("redis://a", prefix="a/b"), '"a/b"'),
        (cache.Redis("redis://a", timeout=0), "timeout is 0"),
        (cache.Redis("redis://a", max_stale=-1), "max_stale is -1"),
        (cache.Redis("redis://a", invalidation="none"), '"none"'),  # type: ignore[arg-type]
        (cache.Redis(cluster=["redis://a"], invalidation="tracking"), "pub/sub"),
    ],
)
def test_wrong_settings_are_told(settings: cache.Redis, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)) as caught:
        cache.Instance(second_tier=settings)
    assert "pass@" not in str(caught.value)


def test_go_nodes_and_a_tier_do_not_go_together() -> None:
    peers = cache.Peers("mailgun", me="http://127.0.0.1:1")
    with cache.Instance(peers=peers, second_tier=cache.Redis("redis://127.0.0.1:1")) as instance:
        with pytest.raises(ValueError, match="Mailgun"):
            instance.group("things", lambda key: b"")
        with pytest.raises(ValueError, match="exactly one"):
            instance.follow()
    with cache.Instance(peers=peers) as instance, pytest.raises(ValueError, match="second tier"):
        instance.follow(registry=True)
