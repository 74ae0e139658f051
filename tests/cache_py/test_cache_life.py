"""The ends of things: instances, groups, forks, the interpreter; and memory."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import textwrap
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
from cache_conditions import until

from oxbridge import cache


def test_a_closed_instance_says_so() -> None:
    began, go = threading.Event(), threading.Event()

    def slow(key: str) -> bytes:
        began.set()
        assert go.wait(60)
        return b""

    with cache.Instance() as instance, ThreadPoolExecutor(1) as pool:
        group = instance.group("g", slow)
        group.set("a", b"1")
        waiting = pool.submit(group.get, "k")
        assert began.wait(20)
        instance.close()
        # Whoever waits is told, and the getter that runs is not waited for.
        with pytest.raises(cache.CacheClosed):
            waiting.result(20)
        go.set()
    assert instance.closed
    with pytest.raises(cache.CacheClosed, match="the instance of this group is closed"):
        group.get("a")
    with pytest.raises(cache.CacheClosed):
        group.set("a", b"2")
    with pytest.raises(cache.CacheClosed):
        group.aget("a")
    with pytest.raises(cache.CacheClosed):
        instance.group("h", slow)
    instance.close()
    assert "closed" in repr(instance)


def test_an_instance_ends_in_a_coroutine() -> None:
    async def load(key: str) -> bytes:
        return key.encode()

    async def main() -> None:
        async with cache.Instance() as instance:
            group = instance.group("g", load)
            assert await group.aget("a") == b"a"
            # On the instance's own loop, too.
            other = cache.Instance()
            assert await asyncio.to_thread(other.group("g", load).get, "b") == b"b"
            await other.aclose()
        assert instance.closed

    asyncio.run(main())


def test_getters_and_groups_that_refer_to_each_other_are_collected() -> None:
    class Database:
        def __init__(self) -> None:
            self.instance = cache.Instance()
            self.group = self.instance.group("g", self.load)

        def load(self, key: str) -> bytes:
            return key.encode()

    database = Database()
    assert database.group.get("a") == b"a"
    gone = weakref.ref(database)
    threads = threading.active_count()
    del database
    # The load's task lets go of the getter soon after the value is there.
    until(lambda: gc.collect() is not None and gone() is None)
    assert threading.active_count() <= threads


def run(source: str, *, code: int = 0) -> str:
    """Run a program; give what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(source)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (code, "")
    return done.stdout


def test_a_forked_child_is_told_and_may_begin_anew() -> None:
    printed = run(
        """
        import os
        from oxbridge import cache

        @cache.cached
        def pid(x):
            return os.getpid()

        instance = cache.Instance(peers=cache.Peers("mailgun"))
        instance.serve()
        group = instance.group("g", lambda key: key.encode())
        group.get("a"), pid(1)
        default = cache.default_instance()
        child = os.fork()
        if not child:
            try:
                group.get("a")
            except cache.CacheClosed as error:
                print(error, flush=True)
            print(pid(1) == os.getpid(), cache.default_instance() is not default, flush=True)
            with cache.Instance() as own:
                print(own.group("g", lambda key: key.encode()).get("b"), flush=True)
            instance.close()
            del group, instance, default
            raise SystemExit(3)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        print(group.get("b"), pid(1) == os.getpid())
        instance.close()
        """
    )
    assert printed.splitlines() == [
        "this instance was made before a fork, and its threads are the parent's; make one in the "
        "child",
        "True True",
        "b'b'",
        "3",
        "b'b' True",
    ]


@pytest.mark.parametrize("kind", ["plain", "coroutine", "waiting"])
def test_the_interpreter_ends_while_getters_run(kind: str) -> None:
    printed = run(
        f"""
        import asyncio, contextlib, threading
        from oxbridge import cache

        began = threading.Event()

        def plain(key):
            began.set()
            threading.Event().wait(30 if key == "k" else 0)
            return b""

        async def coroutine(key):
            began.set()
            await asyncio.sleep(30)
            return b""

        instance = cache.Instance()
        group = instance.group("g", coroutine if {kind!r} == "coroutine" else plain)

        def ask(key):
            # The interpreter's end closes the instance, and who waits is told.
            with contextlib.suppress(cache.CacheClosed):
                group.get(key)

        threading.Thread(target=ask, args=("k",), daemon=True).start()
        began.wait()
        if {kind!r} == "waiting":
            for key in map(str, range(500)):
                threading.Thread(target=ask, args=(key,), daemon=True).start()
        print("done", flush=True)
        """
    )
    assert printed == "done\n"


@pytest.mark.timeout(60)
def test_ctrl_c_ends_a_wait() -> None:
    printed = run(
        """
        import os, signal, threading
        from oxbridge import cache

        signal.signal(signal.SIGINT, signal.default_int_handler)
        go = threading.Event()

        def slow(key):
            os.kill(os.getpid(), signal.SIGINT)
            go.wait(30)
            return b"late"

        with cache.Instance() as instance:
            group = instance.group("g", slow)
            try:
                group.get("k")
            except KeyboardInterrupt:
                print("interrupted")
            go.set()
            print(group.get("k"))
        """
    )
    assert printed == "interrupted\nb'late'\n"


def test_loops_leave_nothing_behind() -> None:
    with cache.Instance() as instance:
        group = instance.group("g", lambda key: key.encode())

        def ask(number: int) -> None:
            asyncio.run(asked(group, str(number)))

        ask(-1)
        gc.collect()
        before = len(os.listdir("/proc/self/fd"))
        for number in range(50):
            ask(number)
        gc.collect()
        assert len(os.listdir("/proc/self/fd")) <= before + 4


async def asked(group: cache.Group[bytes], key: str) -> None:
    """Wait for a load on a loop of its own."""
    assert await group.aget(key) == key.encode()


def resident() -> int:
    """Bytes that this process has in memory."""
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * 4096


def test_memory_stays_within_its_bound() -> None:
    """A hundred times what is kept goes through, each way that values come and go."""
    with cache.Instance() as instance:
        group = instance.group("g", lambda key: key.encode() * 1000, max_bytes=1 << 20)

        @cache.cached(instance=instance, max_bytes=1 << 20)
        def blob(x: int) -> bytes:
            return bytes(4000)

        async def coroutines(start: int) -> None:
            keys = [str(number) for number in range(start, start + 100)]
            await asyncio.gather(*map(group.aget, keys))

        def use(start: int) -> None:
            for number in range(start, start + 300):
                group.get(f"{number:08}")
                group.set(f"s{number}", bytes(4000))
                blob(number)
            asyncio.run(coroutines(start))

        for start in range(0, 900, 300):
            use(start)
        before = resident()
        for start in range(10_000, 16_000, 300):
            use(start)
        grown = resident() - before
        assert group.stats()["main"]["bytes"] <= 1 << 20
        assert grown < 8 << 20, f"{grown} bytes more than before"
