"""Plain handlers on their threads: they may block, and threads behave as threads do."""

from __future__ import annotations

import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor

from oxbridge import Mux, Request, ResponseWriter
from oxbridge.testing import serve
from wire import Wire


def hello(w: ResponseWriter, req: Request) -> None:
    w.write("hello")


def test_handlers_that_block_do_not_stall_others() -> None:
    """Sixty handlers wait, and a thousand requests to another one are answered meanwhile."""
    blocked, go = threading.Semaphore(0), threading.Event()

    def slow(w: ResponseWriter, req: Request) -> None:
        blocked.release()
        assert go.wait(60)
        w.write("slow")

    mux = Mux()
    mux.handle("/slow", slow)
    mux.handle("/", hello)
    with serve(mux) as client, ThreadPoolExecutor(60) as pool:
        waiting = [pool.submit(client.get, "/slow") for _ in range(60)]
        for _ in waiting:
            assert blocked.acquire(timeout=20)
        with Wire(client.url) as wire:
            for _ in range(1000):
                wire.head("GET", "/")
                assert wire.answer().read() == b"hello"
        go.set()
        assert [answer.result().text for answer in waiting] == ["slow"] * 60


def test_a_client_that_sends_slowly_costs_nobody_else_anything() -> None:
    with serve(lambda w, req: w.write(req.body), threads=2, buffer_body=0) as client:
        slow = [Wire(client.url) for _ in range(2)]
        for wire in slow:
            wire.head("POST", "/", {"Content-Length": 5})
            wire.send("a")
        # One thread more than there are: the slow ones wait for their bodies on theirs.
        with ThreadPoolExecutor(1) as pool:
            quick = pool.submit(client.request, "POST", "/", "quick")
            for wire in slow:
                wire.send("bcde")
                assert wire.answer("POST").read() == b"abcde"
                wire.close()
            assert quick.result().text == "quick"


def test_a_small_body_that_comes_slowly_holds_no_thread() -> None:
    with serve(lambda w, req: w.write(req.body), threads=1) as client, Wire(client.url) as slow:
        slow.head("POST", "/", {"Content-Length": 5})
        slow.send("a")
        for _ in range(10):
            assert client.request("POST", "/", "quick").text == "quick"
        slow.send("bcde")
        assert slow.answer("POST").read() == b"abcde"


def test_past_the_queue_clients_get_503() -> None:
    started, go = threading.Event(), threading.Event()

    def slow(w: ResponseWriter, req: Request) -> None:
        started.set()
        assert go.wait(60)

    with serve(slow, threads=1, queue=2) as client:
        wires = [Wire(client.url) for _ in range(8)]
        wires[0].head("GET", "/")
        assert started.wait(20)
        for wire in wires[1:]:
            wire.head("GET", "/")
        # One is being handled and two wait; the others are refused while it runs.
        refused = [wire for wire in wires[1:] if answered(wire)]
        assert 3 <= len(refused) <= 6
        go.set()
        for wire in wires:
            answer = wire.answer()
            assert answer.status == (503 if wire in refused else 200)
            if wire in refused:
                assert int(answer.headers["Retry-After"]) > 0
            answer.read()
            wire.close()


def answered(wire: Wire) -> bool:
    """Whether an answer has begun to arrive within a moment."""
    wire.socket.settimeout(0.2)
    try:
        return bool(wire.socket.recv(1, 2))  # MSG_PEEK
    except TimeoutError:
        return False
    finally:
        wire.socket.settimeout(30)


def test_a_thread_keeps_its_locals_and_shares_them_with_nobody() -> None:
    local = threading.local()
    both = threading.Barrier(2)

    def handler(w: ResponseWriter, req: Request) -> None:
        local.seen = [*getattr(local, "seen", []), req.path]
        both.wait(20)
        w.json([threading.get_ident(), local.seen])

    with serve(handler) as client, ThreadPoolExecutor(2) as pool:
        seen: dict[int, list[str]] = {}
        for turn in range(5):
            answers = pool.map(client.get, [f"/{turn}/a", f"/{turn}/b"])
            for thread, paths in (answer.json() for answer in answers):
                # Two at the same time are on two threads, and each thread remembers its own.
                assert paths[: len(seen.get(thread, []))] == seen.get(thread, [])
                seen[thread] = paths
        assert len(seen) >= 2
        everything = sorted(path for paths in seen.values() for path in paths)
        assert everything == sorted(f"/{turn}/{which}" for turn in range(5) for which in "ab")


def test_context_variables_do_not_cross_threads() -> None:
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="unset")
    name.set("the test's own")
    both = threading.Barrier(2)

    def handler(w: ResponseWriter, req: Request) -> None:
        before = name.get()
        token = name.set(req.path)
        both.wait(20)
        w.json([before, name.get(), contextvars.copy_context()[name]])
        name.reset(token)

    with serve(handler) as client, ThreadPoolExecutor(2) as pool:
        for _ in range(3):
            answers = [answer.json() for answer in pool.map(client.get, ["/a", "/b"])]
            assert answers == [["unset", "/a", "/a"], ["unset", "/b", "/b"]]


def test_what_a_handler_leaves_in_a_context_is_gone_for_the_next_one() -> None:
    name: contextvars.ContextVar[str] = contextvars.ContextVar("left", default="unset")

    def handler(w: ResponseWriter, req: Request) -> None:
        w.write(name.get())
        name.set("left behind")

    with serve(handler, threads=1) as client:
        assert [client.get("/").text for _ in range(5)] == ["unset"] * 5


def test_a_handler_that_promised_not_to_block_runs_on_the_server_s_thread() -> None:
    threads: set[int] = set()

    def quick(w: ResponseWriter, req: Request) -> None:
        threads.add(threading.get_ident())
        w.write(req.read())

    mux = Mux()
    mux.handle("/", quick, blocking=False)
    mux.handle("/blocking", hello)
    with serve(mux) as client:
        for _ in range(20):
            assert client.request("POST", "/", "body").text == "body"
            assert client.get("/blocking").text == "hello"
    assert len(threads) >= 1


def test_a_thread_of_the_program_may_answer_for_the_handler() -> None:
    """The writer and the request may be used from any thread while the handler runs."""

    def handler(w: ResponseWriter, req: Request) -> None:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(w.write, req.body.upper()).result(20)

    with serve(handler) as client:
        assert client.request("POST", "/", "shout").text == "SHOUT"


def test_threads_of_handlers_are_known_to_python() -> None:
    def handler(w: ResponseWriter, req: Request) -> None:
        current = threading.current_thread()
        w.json([current is threading.main_thread(), current in threading.enumerate()])

    with serve(handler) as client:
        assert client.get("/").json() == [False, True]
