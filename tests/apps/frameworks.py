"""The applications that keep the contract, and how each is served."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from app_server import PEER, ServeApp
from serving import Served

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Framework:
    """One application: what it needs installed, its target on the command line, what it can do."""

    package: str
    target: str
    interface: str
    lifespan: bool = False
    websocket: bool = False
    # A WebSocket refused with an HTTP response of the application's own.
    denial: bool = False
    # The application learns the code with which a client closes.
    close_codes: bool = False


FRAMEWORKS: Mapping[str, Framework] = {
    "flask": Framework("flask", "flask_app:app", "wsgi"),
    "django-wsgi": Framework("django", "django_wsgi_app:app", "wsgi"),
    "django-asgi": Framework("django", "django_asgi_app:app", "asgi"),
    "starlette": Framework(
        "starlette",
        "starlette_app:app",
        "asgi",
        lifespan=True,
        websocket=True,
        denial=True,
        close_codes=True,
    ),
    "fastapi": Framework(
        "fastapi",
        "fastapi_app:app",
        "asgi",
        lifespan=True,
        websocket=True,
        denial=True,
        close_codes=True,
    ),
    "litestar": Framework(
        "litestar", "litestar_app:app", "asgi", lifespan=True, websocket=True, close_codes=True
    ),
    "quart": Framework(
        "quart", "quart_app:app", "asgi", lifespan=True, websocket=True, denial=True
    ),
}


def begin(
    serve_app: ServeApp, name: str, place: Path, *options: str, env: Mapping[str, str] | None = None
) -> Served:
    """Serve one of them, its data in `place`; the test is skipped if the framework is missing."""
    framework = FRAMEWORKS[name]
    needs(framework.package)
    settings = {**(env or {}), **(django_settings(place) if "django" in name else {})}
    if framework.interface == "asgi" and not framework.lifespan and PEER == "oxbridge":
        # Django raises for a scope that it does not know: that is to be found out by itself.
        assert "--lifespan" not in options
    return serve_app(
        framework.target, *options, interface=framework.interface, cwd=HERE, env=settings
    )


def needs(package: str) -> None:
    """Skip the test, by name, where the package is not installed."""
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"needs {package}")


def django_settings(place: Path) -> dict[str, str]:
    """Make a database with an administrator, and collect the static files; return the settings."""
    settings = {
        "DJANGO_SETTINGS_MODULE": "django_site.settings",
        "OXBRIDGE_TEST_SITE": str(place),
        "DJANGO_SUPERUSER_PASSWORD": "correct horse",
    }
    commands = "\n".join(
        f"call_command({arguments}, interactive=False, verbosity=0)"
        for arguments in (
            "'migrate'",
            "'createsuperuser', username='admin', email='admin@example.org'",
            "'collectstatic'",
        )
    )
    setup = "import django; django.setup(); from django.core.management import call_command"
    subprocess.run(
        [sys.executable, "-c", f"{setup}\n{commands}"],
        cwd=HERE,
        env={**os.environ, **settings},
        check=True,
    )
    return settings
