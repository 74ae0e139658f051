"""`cached`: functions whose results are kept."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import inspect
import math
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cache_conditions import come_to, until

from oxbridge import cache


def test_it_is_the_function_with_a_memory() -> None:
    calls: list[object] = []

    @cache.cached
    def double(x: Any, *, times: int = 2) -> list[Any]:
        """Double it."""
        calls.append(x)
        return [x] * times

    first = double(1)
    assert first == [1, 1]
    # The object itself, with no trip through bytes; and one key however the call is written.
    assert double(1) is double(x=1) is double(1, times=2) is first
    assert double(1, times=3) == [1, 1, 1]
    assert calls == [1, 1]
    assert double.__name__ == "double"
    assert double.__doc__ == "Double it."
    assert double.__wrapped__(5) == [5, 5]
    info = double.cache_info()
    assert (info.hits, info.misses, info.items, info.max_bytes) == (3, 2, 2, 64 << 20)
    assert 0 < info.bytes < 1000
    double.delete(x=1)
    assert double(1) is not first
    double.cache_clear()
    assert double.cache_info().items == 0
    with pytest.raises(TypeError, match="missing a required argument: 'x'"):
        double()  # type: ignore[call-arg]


def test_arguments_differ_by_type() -> None:
    @cache.cached
    def kind(x: object) -> str:
        return f"{type(x).__name__} {x!r}"

    several: list[object] = [
        1, True, 1.0, "1", b"1", None, "None", 0.0, -0.0, math.inf, -math.inf, (), (1,), (1.0,),
        ((1,),), ("1,",), frozenset(), frozenset({1, 2}), frozenset({"1"}), "(1,)", -1, "", b"",
        10**50, "é\n'\"", ("a", "b"), (("a", "b"),),
    ]  # fmt: skip
    for _ in range(2):
        for value in several:
            assert kind(value) == f"{type(value).__name__} {value!r}"
    assert kind.cache_info().misses == len(several)


def test_arguments_without_a_key_are_a_clear_error() -> None:
    @cache.cached
    def one(x: object) -> object:
        return x

    class Thing:
        pass

    class Text(str):
        __slots__ = ()

    wrong: list[object] = [[1], {}, {1}, Thing(), (1, [2]), Text("a"), math.nan, 1j]
    for value in wrong:
        with pytest.raises(
            TypeError, match=r"no key can be made of the arguments of .*one: .*cached\(key=…\)"
        ):
            one(value)

    @cache.cached(key=lambda x: ",".join(x))  # noqa: PLW0108
    def joined(x: list[str]) -> str:
        return "-".join(x)

    assert joined(["a", "b"]) == "a-b"
    assert joined(x=["a", "b"]) is joined(["a", "b"])
    assert joined.cache_info().misses == 1


def test_recursion_and_contexts_are_the_callers() -> None:
    who: contextvars.ContextVar[str] = contextvars.ContextVar("who")
    threads: set[int] = set()

    @cache.cached
    def fibonacci(n: int) -> int:
        threads.add(threading.get_ident())
        assert who.get() == "me"
        return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

    who.set("me")
    assert fibonacci(150) == 9969216677189303386214405760200
    assert threads == {threading.get_ident()}
    assert fibonacci.cache_info().misses == 151


def test_calling_oneself_with_the_same_arguments_is_told() -> None:
    @cache.cached
    def plain(x: int) -> int:
        return plain(x)

    with pytest.raises(RuntimeError, match=r"plain calls itself with the arguments.*'\(1,\)'"):
        plain(1)

    @cache.cached
    async def coroutine(x: int) -> int:
        return await coroutine(x)

    with pytest.raises(RuntimeError, match="coroutine calls itself"):
        asyncio.run(awaited(coroutine(1)))


async def awaited(what: Any) -> Any:
    """Await it on a loop of its own."""
    return await what


def test_threads_share_a_call_and_what_it_raises() -> None:
    began, go = threading.Event(), threading.Event()
    calls = 0

    @cache.cached
    def slow(x: int) -> object:
        nonlocal calls
        calls += 1
        began.set()
        assert go.wait(60)
        if calls == 1:
            raise ValueError(x)
        return object()

    with ThreadPoolExecutor(20) as pool:
        for _ in range(2):
            before = slow.cache_info().misses
            asked = [pool.submit(slow, 1) for _ in range(20)]
            until(lambda before=before: slow.cache_info().misses == before + 20)
            assert began.wait(20)
            go.set()
            if calls == 1:
                errors = {each.exception(20) for each in asked}
                assert len(errors) == 1
                assert isinstance(errors.pop(), ValueError)
            else:
                assert len({each.result(20) for each in asked}) == 1
            began.clear()
            go.clear()
    assert calls == 2


def test_coroutines_share_a_call_which_no_caller_owns() -> None:
    calls = 0

    @cache.cached(ttl=3600)
    async def load(x: int) -> list[int]:
        nonlocal calls
        calls += 1
        await go.wait()
        return [x]

    assert inspect.iscoroutinefunction(load) or asyncio.iscoroutinefunction(load)

    async def main() -> None:
        first = asyncio.create_task(load(1))
        others = [asyncio.create_task(load(x=1)) for _ in range(10)]
        await come_to(lambda: calls)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        go.set()
        values = await asyncio.gather(*others, load(1))
        assert all(value is values[0] for value in values)
        await load.adelete(1)
        assert await load(1) is not values[0]

    go = asyncio.Event()
    asyncio.run(main())
    assert calls == 2


def test_a_cancelled_loop_is_an_error_elsewhere_and_not_a_cancellation() -> None:
    began = threading.Event()

    @cache.cached
    async def load(x: int) -> int:
        began.set()
        await asyncio.Event().wait()
        return x

    async def main(other: Any) -> None:
        task = asyncio.create_task(load(1))
        await come_to(began.is_set)
        other()
        await come_to(lambda: load.cache_info().misses == 2)
        del task  # asyncio.run ends the call

    with ThreadPoolExecutor(1) as pool:
        asked: list[Any] = []
        asyncio.run(main(lambda: asked.append(pool.submit(asyncio.run, awaited(load(1))))))
        with pytest.raises(RuntimeError, match="load was cancelled"):
            asked[0].result(20)


def test_a_delete_overtakes_a_call() -> None:
    began, go = threading.Event(), threading.Event()

    @cache.cached
    def slow(x: int) -> object:
        began.set()
        assert go.wait(60)
        return object()

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(slow, 1)
        assert began.wait(20)
        slow.delete(1)
        go.set()
        old = asked.result(20)
    assert slow(1) is not old
    assert slow(1) is slow(1)


def test_a_call_that_is_interrupted_is_made_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    began, go = threading.Event(), threading.Event()
    calls = 0

    @cache.cached
    def slow(x: int) -> int:
        nonlocal calls
        calls += 1
        if calls == 1:
            began.set()
            assert go.wait(60)
            raise KeyboardInterrupt
        return x

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(slow, 1)
        assert began.wait(20)
        second = pool.submit(slow, 1)
        until(lambda: slow.cache_info().misses == 2)
        go.set()
        assert isinstance(first.exception(20), KeyboardInterrupt)
        assert second.result(20) == 1


def test_methods_and_bounds() -> None:
    class Shop:
        def __init__(self, name: str) -> None:
            self.name = name

        @cache.cached(
            key=lambda self, item: f"{self.name}/{item}", size=lambda price: 100, max_bytes=1000
        )
        def price(self, item: str) -> float:
            return len(self.name) + len(item)

    one, two = Shop("one"), Shop("three")
    assert (one.price("a"), two.price("a")) == (4, 6)
    assert Shop.price.cache_info().items == 2
    for number in range(100):
        one.price(str(number))
    info = Shop.price.cache_info()
    assert info.bytes <= info.max_bytes == 1000
    assert info.items == 9


def test_results_expire_and_make_room_without_a_trace() -> None:
    class Thing:
        pass

    @cache.cached(ttl=0.02)
    def make(x: int) -> Thing:
        return Thing()

    there = weakref.ref(make(1))
    until(lambda: make(1) is not there())
    gc.collect()
    assert there() is None


def test_a_result_whose_end_calls_the_function_again() -> None:
    """Values are let go of with no lock held."""
    ended: list[int] = []

    class Thing:
        def __init__(self, x: int) -> None:
            self.x = x

        def __del__(self) -> None:
            ended.append(self.x)
            if self.x < 50:
                make(self.x + 50)

    @cache.cached(size=lambda thing: 300, max_bytes=1000)
    def make(x: int) -> Thing:
        return Thing(x)

    for number in range(50):
        make(number)
    make.cache_clear()
    assert set(range(50)) <= set(ended)


def test_functions_may_share_a_name_and_choose_one() -> None:
    with cache.Instance() as instance:

        def make(number: int) -> cache.Cached[[], int]:
            @cache.cached(instance=instance, group="numbers")
            def give() -> int:
                return number

            return give

        assert [make(1)(), make(2)()] == [1, 2]
        assert sorted(instance.groups) == ["numbers", "numbers#2"]
        with pytest.raises(ValueError, match="serializer is for an instance with peers"):
            cache.cached(instance=instance, serializer="json")(len)
    with pytest.raises(cache.CacheClosed):
        cache.cached(instance=instance)(lambda: 1)


def test_the_default_instance_comes_back() -> None:
    @cache.cached
    def one() -> object:
        return object()

    first = one()
    default = cache.default_instance()
    assert default is cache.default_instance()
    default.close()
    assert one() is not first
    assert one() is one()
    assert cache.default_instance() is not default
