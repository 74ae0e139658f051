"""Django's own parts, through WSGI and through ASGI: admin, sessions, static files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import content
import frameworks
import httpx
import pytest

from app_server import ServeApp, is_peer
from serving import Served


@pytest.fixture(scope="module", params=["django-wsgi", "django-asgi"])
def name(request: pytest.FixtureRequest) -> str:
    which: str = request.param
    return which


@pytest.fixture(scope="module")
def served(name: str, serve_app: ServeApp, tmp_path_factory: pytest.TempPathFactory) -> Served:
    return frameworks.begin(serve_app, name, tmp_path_factory.mktemp("site"))


@pytest.fixture
def client(served: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url, timeout=30) as client:
        yield client


def log_in(client: httpx.Client, password: str = "correct horse") -> httpx.Response:
    """Log in to the admin as a browser would."""
    return submit(client, "/admin/login/?next=/admin/", username="admin", password=password)


def submit(
    client: httpx.Client, page: str, files: dict[str, object] | None = None, **fields: str
) -> httpx.Response:
    """Fill in the form of a page, with the token that it holds, and send it."""
    form = client.get(page)
    assert form.status_code == 200, form.text
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form.text)
    assert token is not None
    return client.post(
        page,
        data={"csrfmiddlewaretoken": token[1], **fields},
        files=files,  # type: ignore[arg-type]
        headers={"Referer": str(client.base_url.join(page))},
    )


def test_a_wrong_password_and_a_missing_token_are_refused(client: httpx.Client) -> None:
    assert "correct username" in log_in(client, "wrong").text
    fields = {"username": "admin", "password": "correct horse"}
    assert client.post("/admin/login/", data=fields).status_code == 403


def test_a_book_is_added_changed_and_deleted_in_the_admin(client: httpx.Client) -> None:
    answer = log_in(client)
    assert (answer.status_code, answer.headers["location"]) == (302, "/admin/")
    assert "sessionid" in client.cookies

    books = "/admin/library/book/"
    answer = submit(client, f"{books}add/", title="Über Bücher", pages="77")
    assert (answer.status_code, answer.headers["location"]) == (302, books)
    listing = client.get(books).text
    assert "Über Bücher" in listing
    assert "was added successfully" in listing  # a message, kept in a cookie meanwhile

    change = re.search(rf'href="({books}\d+/change/)', listing)
    assert change is not None
    answer = submit(client, change[1], title="Über Bücher II", pages="78")
    assert answer.status_code == 302, answer.text
    page = client.get(change[1]).text
    assert 'value="Über Bücher II"' in page
    assert 'value="78"' in page

    answer = submit(client, change[1].replace("change", "delete"), post="yes")
    assert answer.status_code == 302
    assert "Über Bücher II</a>" not in client.get(f"{books}?all=").text


def test_a_field_that_does_not_hold_is_said_in_the_form(client: httpx.Client) -> None:
    log_in(client)
    answer = submit(client, "/admin/library/book/add/", title="", pages="-1")
    assert answer.status_code == 200
    assert "This field is required" in answer.text


def test_a_session_counts_the_visits_of_one_client(client: httpx.Client, served: Served) -> None:
    counts = [client.get("/visits").json()["visits"] for _ in range(3)]
    assert counts == [1, 2, 3]
    assert httpx.get(f"{served.url}/visits").json() == {"visits": 1}


def test_static_files_of_the_admin(client: httpx.Client) -> None:
    got = client.get("/static/admin/css/base.css")
    assert got.status_code == 200
    assert got.headers["content-type"].startswith("text/css")
    assert "--primary" in got.text
    assert int(got.headers["content-length"]) == len(got.content)
    again = client.get(
        "/static/admin/css/base.css", headers={"If-Modified-Since": got.headers["last-modified"]}
    )
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/static/admin/css/none.css").status_code == 404


def test_static_files_collected_are_served_by_the_server(
    name: str, serve_app: ServeApp, tmp_path: Path
) -> None:
    if is_peer("uvicorn", "gunicorn", "granian"):
        pytest.skip("--static is ours")
    served = frameworks.begin(serve_app, name, tmp_path, "--static", f"/static={tmp_path}/static")
    got = httpx.get(f"{served.url}/static/admin/css/base.css")
    assert got.content == (tmp_path / "static/admin/css/base.css").read_bytes()
    # The server's own files can be had in part; Django's static handler cannot do that.
    part = httpx.get(f"{served.url}/static/admin/css/base.css", headers={"Range": "bytes=0-9"})
    assert (part.status_code, part.content) == (206, got.content[:10])
    assert httpx.get(f"{served.url}/json").json() == {"message": content.GREETING}


def test_coroutine_views(client: httpx.Client, name: str) -> None:
    assert client.get("/async").json() == {"asgi": name == "django-asgi"}
