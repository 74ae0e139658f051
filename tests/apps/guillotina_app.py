"""A Guillotina server with its database in memory, and one service beside its own."""

from __future__ import annotations

from guillotina import configure
from guillotina.factory import make_app
from guillotina.interfaces import IApplication, IContainer

SETTINGS = {
    "applications": ["guillotina_app"],
    "databases": {"db": {"storage": "DUMMY", "name": "guillotina"}},
    "storages": {"db": {"storage": "DUMMY", "name": "guillotina"}},
    "root_user": {"password": "correct horse"},
    "jwt": {"secret": "for tests on the loopback interface only", "algorithm": "HS256"},
    "host": "127.0.0.1",
    "debug": False,
    "store_json": True,
}


@configure.service(
    context=IApplication,
    method="POST",
    name="@size",
    permission="guillotina.Public",
    allow_access=True,
)
async def size(context: object, request: object) -> dict[str, int]:
    """Size of a body that is read as it comes."""
    total = 0
    while piece := await request.content.readany():  # type: ignore[attr-defined]
        total += len(piece)
    return {"size": total}


@configure.service(
    context=IContainer, method="GET", name="@greet/{name}", permission="guillotina.AccessContent"
)
async def greet(context: object, request: object) -> dict[str, object]:
    """Answer with what stands in the path and in the query."""
    query = {str(name): value for name, value in request.query.items()}  # type: ignore[attr-defined]
    return {"name": request.matchdict["name"], "query": query}  # type: ignore[attr-defined]


def includeme(root: object) -> None:
    """Guillotina asks each of its applications for this; importing it was enough."""


app = make_app(settings=SETTINGS)
