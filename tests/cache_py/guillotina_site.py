"""A Guillotina site on PostgreSQL whose processes share a cache; the environment says where."""

from __future__ import annotations

import json
import os
from typing import Any

from guillotina import configure
from guillotina.factory import make_app
from guillotina.interfaces import IContainer

GIVEN = json.loads(os.environ["GUILLOTINA_SITE"])

SETTINGS = {
    "applications": [*GIVEN["applications"], "guillotina_site"],
    "databases": {
        "db": {
            "storage": "postgresql",
            "dsn": GIVEN["dsn"],
            # Guillotina takes a second connection to look for conflicts. With fewer than two for
            # each writer, one that holds a row waits for ever for those who wait for that row.
            "pool_size": 20,
        }
    },
    "root_user": {"password": "correct horse"},
    "jwt": {"secret": "for tests on the loopback interface only", "algorithm": "HS256"},
    "debug": False,
    **GIVEN.get("settings", {}),
}


@configure.service(
    context=IContainer,
    method="POST",
    name="@rename-and-fail",
    permission="guillotina.ModifyContent",
)
async def rename_and_fail(context: Any, request: Any) -> dict[str, Any]:
    """Change an object of the container, and fail before it is committed."""
    item = await context.async_get("page")
    item.title = "never committed"
    item.register()
    raise RuntimeError("on purpose")


def includeme(root: object) -> None:
    """Guillotina asks each of its applications for this."""


app = make_app(settings=SETTINGS)
