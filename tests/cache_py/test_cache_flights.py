"""Single flight: from threads, from coroutines, from both; getters that ask, and are cancelled."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from cache_conditions import come_to, until

from oxbridge import cache


@pytest.fixture
def instance() -> Iterator[cache.Instance]:
    """An instance without peers."""
    with cache.Instance() as instance:
        yield instance


class Gate:
    """A plain getter that gives nothing until it is opened."""

    def __init__(self) -> None:
        self.calls = 0
        self.began, self.open = threading.Event(), threading.Event()

    def __call__(self, key: str) -> bytes:
        self.calls += 1
        self.began.set()
        assert self.open.wait(60)
        if key == "bad":
            raise ValueError(key)
        return key.encode()


def test_threads_share_a_load(instance: cache.Instance) -> None:
    gate = Gate()
    group = instance.group("g", gate)
    with ThreadPoolExecutor(50) as pool:
        asked = [pool.submit(group.get, "k") for _ in range(50)]
        until(lambda: group.stats()["gets"] == 50)
        gate.open.set()
        values = [each.result(20) for each in asked]
    assert all(value is values[0] for value in values)
    assert gate.calls == 1


def test_all_who_wait_get_the_exception(instance: cache.Instance) -> None:
    gate = Gate()
    group = instance.group("g", gate)
    with ThreadPoolExecutor(20) as pool:
        asked = [pool.submit(group.get, "bad") for _ in range(20)]
        until(lambda: group.stats()["gets"] == 20)
        gate.open.set()
        errors = [each.exception(20) for each in asked]
    assert isinstance(errors[0], ValueError)
    assert all(error is errors[0] for error in errors)
    assert gate.calls == 1


def test_coroutines_and_threads_share_a_load(instance: cache.Instance) -> None:
    gate = Gate()
    group = instance.group("g", gate)

    async def main() -> list[bytes]:
        asked = [asyncio.create_task(group.aget("k")) for _ in range(100)]
        plain = [asyncio.to_thread(group.get, "k") for _ in range(3)]
        waiting = asyncio.gather(*asked, *plain)
        # The loop runs on while the getter does not.
        await come_to(lambda: group.stats()["gets"] == 103)
        gate.open.set()
        return await waiting

    assert asyncio.run(main()) == [b"k"] * 103
    assert gate.calls == 1


def test_a_hit_is_awaited_as_a_load_is(instance: cache.Instance) -> None:
    async def load(key: str) -> bytes:
        await asyncio.sleep(0)
        if key == "bad":
            raise ValueError(key)
        return key.encode()

    group = instance.group("g", load, negative_ttl=60)

    async def main() -> None:
        for _ in range(2):
            assert await group.aget("a") == b"a"
            assert await asyncio.create_task(group.aget("a")) == b"a"
            assert await asyncio.wait_for(group.aget("a"), 20) == b"a"
            # What goes wrong is raised where it is awaited.
            both = await asyncio.gather(group.aget("a"), group.aget("bad"), return_exceptions=True)
            assert both[0] == b"a"
            assert isinstance(both[1], ValueError)
        assert await group.aget_many(["a", "b"]) == {"a": b"a", "b": b"b"}
        await group.aset("a", b"2")
        assert await group.aget("a") == b"2"
        await group.adelete("a")
        await group.adelete_many(["b", "c"])
        assert (group.peek("a"), group.peek("b")) == (None, None)
        assert await group.awarm(["x", "y", "z"]) == 3

    asyncio.run(main())


def test_a_caller_that_is_cancelled_takes_nothing_from_the_others(
    instance: cache.Instance,
) -> None:
    async def main() -> None:
        go = asyncio.Event()
        calls = 0

        async def load(key: str) -> bytes:
            nonlocal calls
            calls += 1
            await go.wait()
            return key.encode()

        group = instance.group("g", load)
        first = asyncio.create_task(group.aget("k"))
        others = [asyncio.create_task(group.aget("k")) for _ in range(5)]
        await come_to(lambda: calls)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(group.aget("k"), 0.001)
        go.set()
        assert await asyncio.gather(*others) == [b"k"] * 5
        assert await group.aget("k") == b"k"
        assert calls == 1

    asyncio.run(main())


def test_a_load_goes_on_when_nobody_waits(instance: cache.Instance) -> None:
    gate = Gate()
    group = instance.group("g", gate)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(group.aget("k"), 0.001)

    asyncio.run(main())
    gate.open.set()
    until(lambda: group.peek("k") == b"k")


def test_a_set_or_a_delete_overtakes_a_load(instance: cache.Instance) -> None:
    for change in ("set", "delete", "clear"):
        gate = Gate()
        group = instance.group(change, gate)
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(group.get, "k")
            assert gate.began.wait(20)
            if change == "set":
                group.set("k", b"new")
            elif change == "delete":
                group.delete("k")
            else:
                group.clear()
            gate.open.set()
            assert asked.result(20) == b"k"
        assert group.peek("k") == (b"new" if change == "set" else None)


def test_getters_ask_for_other_keys(instance: cache.Instance) -> None:
    def total(key: str) -> str:
        number = int(key)
        return str(number + int(plain.get(str(number - 1)))) if number else "0"

    plain = instance.group("plain", total, serializer="str")
    assert plain.get("100") == "5050"

    async def atotal(key: str) -> str:
        number = int(key)
        return str(number + int(await coroutine.aget(str(number - 1)))) if number else "0"

    coroutine = instance.group("coroutine", atotal, serializer="str")
    assert asyncio.run(ask(coroutine, "300")) == "45150"


async def ask(group: cache.Group[str], key: str) -> str:
    """Ask on a loop of its own."""
    return await group.aget(key)


def test_getters_that_nest_too_deep_are_told() -> None:
    with cache.Instance(threads=8) as instance:

        def down(key: str) -> str:
            return group.get(str(int(key) - 1)) if key != "0" else "bottom"

        group = instance.group("deep", down, serializer="str")
        with pytest.raises(RecursionError, match=r"8 deep.*Instance\(threads=…\)"):
            group.get("100")
        # Nothing is left behind.
        assert group.get("6") == "bottom"
        # A load of each, from more threads than there are.
        with ThreadPoolExecutor(20) as pool:
            assert set(pool.map(group.get, map(str, range(6)))) == {"bottom"}


def test_a_getter_that_asks_for_its_own_key_is_told(instance: cache.Instance) -> None:
    plain = instance.group("plain", lambda key: plain.get(key))  # noqa: PLW0108
    with pytest.raises(
        RuntimeError, match='group "plain" asks the group for b"k", the key that it loads'
    ):
        plain.get("k")

    async def again(key: str) -> bytes:
        return await coroutine.aget(key)

    coroutine = instance.group("coroutine", again)
    with pytest.raises(
        RuntimeError, match="group \"coroutine\" asks the group for 'k', the key that"
    ):
        coroutine.get("k")


def test_a_cache_stands_before_another_one_of_the_same_name(instance: cache.Instance) -> None:
    with cache.Instance() as behind:
        far = behind.group("g", lambda key: key.encode())
        near = instance.group("g", lambda key: far.get(key))  # noqa: PLW0108
        assert near.get("k") == b"k"
        afar = behind.group("a", lambda key: key.encode())

        async def load(key: str) -> bytes:
            return await afar.aget(key)

        anear = instance.group("a", load)
        assert anear.get("k") == b"k"


def test_where_coroutine_getters_run(instance: cache.Instance) -> None:
    loops: dict[str, asyncio.AbstractEventLoop] = {}

    async def load(key: str) -> bytes:
        loops[key] = asyncio.get_running_loop()
        return b""

    group = instance.group("g", load)

    async def main() -> None:
        await group.aget("on ours")
        assert loops["on ours"] is asyncio.get_running_loop()
        # Plain code asks the loop that asked last, as long as that runs.
        await asyncio.to_thread(group.get, "from a thread")
        assert loops["from a thread"] is asyncio.get_running_loop()
        with pytest.raises(RuntimeError, match="on the thread of a running event loop would stop"):
            group.get("here")
        with pytest.raises(RuntimeError, match="await aget"):
            group.get_many(["here"])

    asyncio.run(main())
    group.get("no loop runs")
    group.get("nor now")
    assert loops["no loop runs"] is loops["nor now"] is not loops["on ours"]
    asyncio.run(main_again(group, loops))


async def main_again(
    group: cache.Group[bytes], loops: dict[str, asyncio.AbstractEventLoop]
) -> None:
    """Ask on another loop."""
    await group.aget("again")
    assert loops["again"] is asyncio.get_running_loop()


def test_a_getter_whose_loop_ends_fails(instance: cache.Instance) -> None:
    began = threading.Event()

    async def load(key: str) -> bytes:
        began.set()
        await asyncio.Event().wait()
        return b""

    group = instance.group("g", load)

    async def main() -> asyncio.Future[bytes]:
        asked = asyncio.create_task(group.aget("k"))
        other = asyncio.get_running_loop().run_in_executor(None, group.get, "k")
        await come_to(lambda: began.is_set() and group.stats()["gets"] == 2)
        asked.cancel()
        return other

    loop = asyncio.new_event_loop()
    other = loop.run_until_complete(main())
    for task in asyncio.all_tasks(loop):
        task.cancel()
    with pytest.raises(RuntimeError, match="the getter of the group 'g' was cancelled"):
        loop.run_until_complete(other)
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


def test_many_loops_in_many_threads(instance: cache.Instance) -> None:
    gate = Gate()
    gate.open.set()
    group = instance.group("g", gate)

    async def main(number: int) -> set[bytes]:
        keys = [str(n % 40) for n in range(number, number + 200)]
        return set(await asyncio.gather(*map(group.aget, keys)))

    with ThreadPoolExecutor(8) as pool:
        for values in pool.map(lambda number: asyncio.run(main(number)), range(8)):
            assert values == {str(n).encode() for n in range(40)}
    assert gate.calls == 40
