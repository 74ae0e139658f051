"""What was wrong with the original, one test for each."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hosted import BOUND, Hosted

HostC = Callable[..., Hosted]
HostPython = Callable[..., Hosted]


@pytest.fixture
def served(host_python: HostPython) -> Hosted:
    return host_python("serve.py")


def test_a_handler_that_writes_nothing_answers_200(served: Hosted) -> None:
    assert served.ask("/nothing") == (200, b"")


def test_patterns_are_gos(served: Hosted) -> None:
    assert served.ask("/hello/world") == (200, b"hello")
    assert served.ask("/hello/world", method="POST") == (200, b"POST /hello/world\n")
    assert served.ask("/body")[0] == 200
    assert served.ask("/nothing/") == (200, b"GET /nothing/\n")


def test_status_is_set_once_and_before_the_first_write(served: Hosted) -> None:
    assert served.ask("/status/404") == (404, b"gone")
    assert served.ask("/status/twice") == (201, b"")
    assert served.ask("/status/late") == (200, b"")
    served.wait_for("superfluous response.WriteHeader call: 404, but the status is 201", "stderr")
    served.wait_for("superfluous response.WriteHeader call: 404, but the status is 200", "stderr")


def test_a_number_that_is_no_status_is_logged_and_ignored(served: Hosted) -> None:
    assert served.ask("/status/wrong") == (200, b"served")
    for status in (-1, 0, 99, 101, 1000, 65740):
        served.wait_for(f"invalid WriteHeader code {status}:", "stderr")


def test_informational_statuses_are_sent_and_the_status_stays_open(served: Hosted) -> None:
    request = b"GET /status/early-hints HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    answer = served.ask_raw(request)
    assert answer.startswith(b"HTTP/1.1 103 ")
    assert b"\r\n\r\nHTTP/1.1 202 " in answer


def test_a_status_without_a_body_takes_none(served: Hosted) -> None:
    assert served.ask("/status/204") == (204, b"")
    served.wait_for("wrote -1")


def test_bad_arguments_of_write_are_errors(served: Hosted) -> None:
    assert served.ask("/bad-writes") == (200, b"lives")
    served.wait_for("negative -1")
    served.wait_for("NULL -1")
    served.wait_for("nothing 0")
    served.wait_for("forged -1 -1 -1 -1")
    served.wait_for("the length is -1", "stderr")
    served.wait_for("the buffer is NULL and the length 3", "stderr")


def test_a_writer_is_stale_once_its_handler_has_returned(served: Hosted) -> None:
    for _ in range(20):
        assert served.ask("/keep") == (200, b"kept")
    assert served.ask("/kept") == (200, b"-1")


def test_other_threads_may_write_while_the_handler_runs(served: Hosted) -> None:
    assert served.ask("/other-thread") == (200, b"a" * 8000)


def test_a_hundred_handlers_run_at_the_same_time(served: Hosted) -> None:
    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(served.ask, ["/together"] * 100))
    assert answers == [(200, b"1")] * 100


def test_call_handle_func_calls(served: Hosted) -> None:
    assert served.ask("/again?x") == (200, b"GET /again?x\n")
    served.wait_for("Call_HandleFunc: the handler is NULL", "stderr")


def test_a_handler_may_register_another(served: Hosted) -> None:
    assert served.ask("/registered") == (200, b"GET /registered\n")
    assert served.ask("/register") == (200, b"done")
    assert served.ask("/registered") == (200, b"from inside")


def test_a_nul_ends_the_body_as_c_sees_it(served: Hosted) -> None:
    assert served.ask("/body", method="POST", body=b"before\0after") == (200, b"before")
    assert served.ask("/body", method="POST", body=b"\0") == (200, b"")
    assert served.ask("/body", method="POST", body=b"") == (200, b"")


def test_a_long_body_is_whole_and_a_longer_one_is_refused(host_python: HostPython) -> None:
    served = host_python("serve.py", LIBGOHTTP_MAX_BODY="1000000")
    text = b"0123456789" * 100_000
    assert served.ask("/body", method="POST", body=text) == (200, text)
    assert served.ask("/body", method="POST", body=text + b"x")[0] == 413
    chunked = b"POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    piece = b"%x\r\n%s\r\n" % (len(text), text)
    assert served.ask_raw(chunked + piece + piece).startswith(b"HTTP/1.1 413 ")


def test_a_bound_that_is_no_number_is_logged(host_python: HostPython) -> None:
    served = host_python("serve.py", LIBGOHTTP_MAX_BODY="lots")
    assert served.ask("/body", method="POST", body=b"x" * 100_000)[0] == 200
    served.wait_for('LIBGOHTTP_MAX_BODY is "lots"', "stderr")


def test_bad_calls_are_one_line_each_in_the_log(host_python: HostPython) -> None:
    refused = host_python("refused.py")
    refused.wait_for("serving")
    assert refused.ask() == (200, b"first")
    assert refused.stdout.splitlines() == [*["-1"] * 7, "serving"]
    log = refused.stderr.splitlines()
    expected = [
        'pattern "/" (registered at call 2 of HandleFunc) conflicts with pattern "/" '
        "(registered at call 1 of HandleFunc)",
        'pattern "no-slash", at byte',
        'pattern "GET /a/{x", at byte',
        'pattern "", at byte',
        'HandleFunc: the pattern is no UTF-8: "/\\xff"',
        "HandleFunc: the pattern is NULL",
        'HandleFunc: the handler of pattern "/null" is NULL',
        "Call_HandleFunc: the handler is NULL",
        "ListenAndServe: the address is NULL",
        'ListenAndServe: "8000" is no address to listen on: there is no port',
        'ListenAndServe: ":99999" is no address to listen on',
        '"no-such-service" is neither a port nor the name of a service',
        'ListenAndServe: the address is no UTF-8: "\\xff:80"',
        'ListenAndServe: "::1:80" is no address to listen on: an IPv6 address needs brackets',
    ]
    assert len(log) == len(expected), refused.stderr
    for line, text in zip(log, expected, strict=True):
        assert text in line
        # As Go's log package begins a line.
        assert line[4] == line[7] == "/"
        assert line[13] == line[16] == ":"


def test_an_address_in_use_is_logged_and_returned(host_python: HostPython) -> None:
    served = host_python("serve.py")
    assert served.ask("/nothing")[0] == 200
    taken = f"127.0.0.1:{served.port}"
    other = host_python("listen.py", ADDRESS=taken)
    assert other.wait() == 0
    assert "returned -1" in other.stdout
    assert f"cannot listen on {taken}: address already in use" in other.stderr


@pytest.mark.parametrize("form", ["127.0.0.1:{}", ":{}", "localhost:{}"])
def test_it_listens_where_gos_address_says(host_python: HostPython, form: str) -> None:
    # Bound, and not listening: the port is kept from others, but not from the program.
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        served = host_python("listen.py", sockets=0, ADDRESS=form.format(port))
        served.wait_until_it_listens(port)
    assert served.ask("/", port=port)[0] == 404
    assert served.stderr == ""


def test_several_addresses_are_served_at_once(host_python: HostPython) -> None:
    served = host_python("serve.py", sockets=3)
    for port in served.ports:
        assert served.ask("/nothing", port=port) == (200, b"")
    assert served.ask("/shutdown", port=served.ports[1]) == (200, b"the last words")
    assert served.wait() == 0
    assert served.stdout.count("returned 0\n") == 3


def test_shutdown_in_a_handler_returns_and_its_answer_arrives(served: Hosted) -> None:
    assert served.ask("/shutdown") == (200, b"the last words")
    served.wait_for("ended")
    assert served.stdout == "Shutdown returned\nreturned 0\nended\n"
    assert served.wait() == 0
    assert served.stderr == ""


def test_it_serves_again_after_a_shutdown(host_python: HostPython) -> None:
    served = host_python("restart.py")
    for number in range(5):
        assert served.ask() == (200, b"round %d" % number)
        assert served.ask("/more") == (200, b"on")
        served.wait_for(f"returned 0 in round {number}")
    assert served.wait() == 0
    assert served.stdout.endswith("ended\n")


def test_the_answer_that_ends_the_serving_arrives(host_c: HostC) -> None:
    # Each request waits in the queue of the socket, and is there before the next server is ready.
    once = host_c("once.c")
    for _ in range(300):
        assert once.ask() == (200, b"once")


def test_shutdown_does_not_wait_for_ever(host_python: HostPython) -> None:
    stuck = host_python("stuck.py")
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        stuck.ask()
    assert stuck.wait() == 0
    assert sorted(stuck.stdout.split("\n")[1:3]) == ["Shutdown returned", "returned 0"]
    assert "a handler still runs after 10 seconds" in stuck.stderr


def test_a_client_that_hangs_up_does_not_kill_the_program(host_c: HostC) -> None:
    large = host_c("large.c")
    for _ in range(50):
        with socket.create_connection(("127.0.0.1", large.port), timeout=BOUND) as client:
            client.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.recv(1) == b"H"
            # Half closed first: only then does Linux make the next write a broken pipe.
            client.shutdown(socket.SHUT_WR)
    assert large.ask("/") == (200, b"alive")


def test_a_program_may_fork_before_it_serves(host_python: HostPython) -> None:
    served = host_python("fork.py", sockets=2)
    for port, name in zip(served.ports, (b"child", b"parent"), strict=True):
        assert served.ask(port=port) == (200, name)
    for port in served.ports:
        assert served.ask("/shutdown", port=port) == (200, b"")
    assert served.wait() == 0


def test_calls_from_everywhere_at_once(host_python: HostPython) -> None:
    served = host_python("serve.py", sockets=2)

    def ask(port: int) -> tuple[int, bytes]:
        return served.ask("/status/404", port=port)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, served.ports * 200))
    assert answers == [(404, b"gone")] * 400
