"""`Server` with applications and configurations, on threads, and `Mux.mount`."""

from __future__ import annotations

import http.client
import threading
from pathlib import Path
from typing import Any

import pytest

from apps import Asgi, Rsgi, wsgi
from oxbridge import Config, Mux, Request, ResponseWriter, Server, StartupFailed
from oxbridge._cli.errors import CommandError
from oxbridge.testing import Client


def ask(server: Server, path: str = "/a", method: str = "GET") -> str:
    answer = Client(server).request(method, path)
    assert answer.status == 200, answer
    return answer.text


class Asked(threading.Thread):
    """A request under way in another thread."""

    def __init__(self, server: Server, path: str) -> None:
        super().__init__(daemon=True)
        self.client = Client(server)
        self.path = path
        self.said = ""
        self.start()

    def run(self) -> None:
        try:
            self.said = self.client.get(self.path).text
        except (OSError, http.client.HTTPException) as error:
            self.said = type(error).__name__

    def answer(self) -> str:
        self.join(20)
        assert not self.is_alive()
        return self.said


# Applications


def test_a_wsgi_application_is_served() -> None:
    with Server(wsgi) as server:
        assert ask(server) == "wsgi GET /a"


def test_an_asgi_application_lives_as_long_as_its_server_each_time() -> None:
    app = Asgi()
    server = Server(app)
    for times in (1, 2):
        with server:
            assert app.events == ["startup", "shutdown"] * (times - 1) + ["startup"]
            assert ask(server) == "asgi GET /a by-lifespan"
            assert app.thread == "oxbridge-asyncio"
        assert app.events == ["startup", "shutdown"] * times


def test_an_rsgi_application_lives_as_long_as_its_server_each_time() -> None:
    app = Rsgi()
    server = Server(app)
    for times in (1, 2):
        with server:
            assert ask(server, "/a%20b") == "rsgi GET /a b"
        assert app.events == ["startup", "shutdown"] * times


def test_a_startup_that_fails_is_raised_and_nothing_listens() -> None:
    app = Asgi(failure="no database")
    server = Server(app)
    with pytest.raises(StartupFailed, match=r"^the application failed to start: no database$"):
        server.start()
    assert not server.running
    assert server.addresses == []
    app.failure = None
    with server:
        assert ask(server) == "asgi GET /a by-lifespan"


def test_an_rsgi_startup_that_fails_has_its_cause() -> None:
    cause = OSError("no disk")
    with pytest.raises(StartupFailed, match="OSError: no disk") as raised:
        Server(Rsgi(failure=cause)).start()
    assert raised.value.__cause__ is cause


@pytest.mark.parametrize("make", [Asgi, Rsgi])
def test_an_application_ends_again_where_its_server_cannot_listen(make: type[Asgi | Rsgi]) -> None:
    app = make()
    with Server(wsgi) as other, pytest.raises(OSError, match=f":{other.port}"):
        Server(app, port=other.port).start()
    assert app.events == ["startup", "shutdown"]


def test_a_request_may_finish_before_the_application_ends() -> None:
    app = Asgi()
    with Server(app) as server:
        asked = Asked(server, "/wait")
        assert app.waiting.wait(20)
        server.begin_stop()
        assert app.events == ["startup"]
        app.go()
        assert asked.answer() == "asgi GET /wait by-lifespan"
    assert app.events == ["startup", "shutdown"]


def test_a_request_that_does_not_finish_is_cut() -> None:
    app = Asgi()
    with Server(app) as server:
        asked = Asked(server, "/wait")
        assert app.waiting.wait(20)
        assert server.stop(0)
        assert app.cancelled.is_set()
        assert "asgi" not in asked.answer()
    assert app.events == ["startup", "shutdown"]


def test_the_interface_can_be_said() -> None:
    def odd(*args: Any) -> Any:
        return wsgi(*args)

    with Server(odd, interface="wsgi") as server:
        assert ask(server) == "wsgi GET /a"
    with Server(lambda w, req: w.write("handled"), interface="mux") as server:
        assert ask(server) == "handled"


@pytest.mark.parametrize(
    ("target", "options", "kind", "message"),
    [
        (5, {}, TypeError, "no application: it is an int"),
        (lambda *a: None, {}, TypeError, "say so by interface="),
        (lambda w, req: None, {}, TypeError, "register it on a Mux"),
        (5, {"interface": "mux"}, TypeError, "neither a Mux nor a handler"),
        (Mux(), {"interface": "wsgi"}, TypeError, "cannot be served as wsgi"),
        (wsgi, {"interface": "cgi"}, ValueError, "interface must be 'auto'"),
        (wsgi, {"mux": Mux()}, TypeError, "one target"),
        (Config(wsgi), {"port": 1}, TypeError, "those of the Config"),
        (Config(wsgi), {"threads": 1}, TypeError, "those of the Config"),
        (Config("m:a", workers=2), {}, ValueError, "workers is for oxbridge.serve"),
        (Config("m:a", reload=True), {}, ValueError, "reload is for oxbridge.serve"),
    ],
)
def test_what_cannot_be_served_is_one_clear_sentence(
    target: Any, options: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        Server(target, **options)


# Configurations


def test_a_config_says_what_and_how(tmp_path: Path) -> None:
    (tmp_path / "made_by_config.py").write_text(
        "def create():\n"
        "    def app(environ, start_response):\n"
        "        start_response('200 OK', [])\n"
        "        return [environ['SCRIPT_NAME'].encode()]\n"
        "    return app\n"
    )
    config = Config(
        "made_by_config:create",
        factory=True,
        app_dir=str(tmp_path),
        port=0,
        root_path="/below",
        headers=[("x-made", "by config")],
        access_log=False,
    )
    with Server(config) as server:
        answer = Client(server).get("/below/a")
        assert [answer.text, answer.headers["x-made"]] == ["/below", "by config"]


def test_a_config_may_hold_the_application_itself() -> None:
    app = Asgi()
    with Server(Config(app, port=0, access_log=False)) as server:
        assert ask(server) == "asgi GET /a by-lifespan"
    mux = Mux()
    mux.route("/", lambda w, req: w.write("mux"))
    with Server(Config(mux, port=0, access_log=False)) as server:
        assert ask(server) == "mux"


def test_a_config_whose_application_is_not_there_fails_at_the_start() -> None:
    server = Server(Config("no_such_module_here:app", port=0))
    with pytest.raises(CommandError, match="no_such_module_here"):
        server.start()


def test_the_limit_of_requests_of_a_config_stops_the_server() -> None:
    server = Server(Config(wsgi, port=0, access_log=False, limit_max_requests=2))
    server.start()
    client = Client(server)
    assert [client.get("/").status for _ in range(2)] == [200, 200]
    server.wait()
    assert not server.running


# Mux.mount


def hello(w: ResponseWriter, req: Request) -> None:
    w.write("hello")


async def later(w: ResponseWriter, req: Request) -> None:
    w.write("later")


@pytest.mark.parametrize("app", [wsgi, Asgi(), Rsgi()])
def test_patterns_go_before_the_application(app: Any) -> None:
    mux = Mux()
    mux.route("GET /hello", hello)
    mux.route("/later", later)
    mux.mount(app)
    with Server(mux) as server:
        assert ask(server, "/hello") == "hello"
        assert ask(server, "/later") == "later"
        # What the server would redirect or refuse is the application's.
        assert "/a//b/../c" in ask(server, "/a//b/../c")
        assert "POST /hello" in ask(server, "/hello", "POST")


def test_each_server_of_a_mux_has_the_application_on_a_loop_of_its_own() -> None:
    app = Asgi()
    mux = Mux()
    mux.mount(app)
    with Server(mux) as first, Server(mux) as second:
        assert ask(first) == ask(second)
        assert app.events == ["startup", "startup"]
        seen = app.loop
        ask(first)
        assert app.loop is not seen
    assert app.events == ["startup", "startup", "shutdown", "shutdown"]


def test_how_an_application_is_mounted() -> None:
    app = Asgi()
    mux = Mux()
    mux.mount(app, lifespan="off", interface="asgi3")
    with Server(mux):
        assert app.events == []
    with pytest.raises(RuntimeError, match="has an application already"):
        mux.mount(wsgi)


@pytest.mark.parametrize(
    ("app", "options", "kind", "message"),
    [
        (Mux(), {}, TypeError, "cannot be mounted on another one"),
        (hello, {}, TypeError, "does not show"),
        (wsgi, {"interface": "mux"}, ValueError, "interface must be"),
        (wsgi, {"lifespan": "maybe"}, ValueError, "lifespan must be"),
        (wsgi, {"root_path": "below"}, ValueError, "begin with a slash"),
    ],
)
def test_what_cannot_be_mounted_is_one_clear_sentence(
    app: Any, options: dict[str, str], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        Mux().mount(app, **options)
