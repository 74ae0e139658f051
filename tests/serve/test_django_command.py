"""`manage.py oxbridge` in a project that Django itself has made."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Write = Callable[..., Path]

pytest.importorskip("django")

# Stands in for the server and the supervisor: they say what they got.
STANDS_IN = """
import json, sys, types

class AppServer:
    def __init__(self, config, app, interface, binds):
        self.said = {"app": type(app).__name__, "interface": interface, "binds": binds}

    def run(self, on_ready):
        print(json.dumps(self.said))
        on_ready(self.said["binds"])

def supervise(config, announce, admin, reread):
    print(json.dumps({"app": config.app, "factory": config.factory, "reload": config.reload,
                      "workers": config.workers, "app_dir": config.app_dir}))
    return 0

import oxbridge._supervisor

oxbridge._supervisor.supervise = supervise
module = types.ModuleType("oxbridge._app")
module.app_server = AppServer
sys.modules[module.__name__] = module
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a project whose manage.py has the stand-ins."""
    place = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "django", "startproject", "mysite", str(place)], check=True
    )
    settings = place / "mysite" / "settings.py"
    settings.write_text(
        settings.read_text() + "\nINSTALLED_APPS.append('oxbridge.contrib.django')\n"
    )
    (place / "stands_in.py").write_text(STANDS_IN)
    manage = place / "manage.py"
    manage.write_text(f"import stands_in\n{manage.read_text()}")
    return place


@pytest.fixture
def site(project: Write, made: Path, tmp_path: Path) -> Path:
    """A copy of it, which is the current directory."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path


def run(site: Path, line: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(site / "manage.py"), "oxbridge", *shlex.split(line)],
        cwd=cwd or site,
        env={k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--noreload", '{"app": "StaticFilesHandler", "interface": "wsgi", '
         '"binds": ["127.0.0.1:8000"]}'),
        ("--noreload --nostatic 9000", '{"app": "WSGIHandler", "interface": "wsgi", '
         '"binds": ["127.0.0.1:9000"]}'),
        ("--noreload --interface asgi 0.0.0.0:9000", '{"app": "ASGIStaticFilesHandler", '
         '"interface": "asgi", "binds": ["0.0.0.0:9000"]}'),
        ("--noreload --nostatic --interface asgi [::1]:1", '{"app": "ASGIHandler", '
         '"interface": "asgi", "binds": ["[::1]:1"]}'),
        ("", '{"app": "oxbridge.contrib.django.static:wsgi", "factory": true, "reload": true, '
         '"workers": 1, "app_dir": "SITE"}'),
        ("--nostatic", '{"app": "mysite.wsgi:application", "factory": false, "reload": true, '
         '"workers": 1, "app_dir": "SITE"}'),
        ("--nostatic -w 2", '{"app": "mysite.wsgi:application", "factory": false, '
         '"reload": false, "workers": 2, "app_dir": "SITE"}'),
    ],
)  # fmt: skip
def test_what_is_served(site: Path, line: str, said: str) -> None:
    done = run(site, line, cwd=Path("/"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == said.replace("SITE", str(site))


def test_the_asgi_application_of_the_settings_goes_first(site: Path) -> None:
    settings = site / "mysite" / "settings.py"
    settings.write_text(
        settings.read_text() + "\nASGI_APPLICATION = 'mysite.asgi.application'\nDEBUG = False\n"
        "ALLOWED_HOSTS = ['*']\n"
    )
    done = run(site, "")
    assert '{"app": "ASGIHandler", "interface": "asgi"' in done.stdout, done.stderr
    assert "Serving mysite.asgi:application (ASGI) on http://127.0.0.1:8000 " in done.stderr


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nonsense", "'nonsense' must be a port, or an address and a port: 127.0.0.1:8000"),
        ("--port x", "oxbridge: --port must be a whole number, 0 to 65535, not 'x'"),
        ("99999 --noreload", "oxbridge: ADDRPORT must be a whole number, 0 to 65535, not '99999'"),
        ("--ssl-certfile none.pem", "oxbridge: the certificate none.pem cannot be read: No such"),
    ],
)
def test_errors_are_one_sentence(site: Path, line: str, said: str) -> None:
    done = run(site, line)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_help_lists_the_options_of_serve(site: Path) -> None:
    done = run(site, "--help")
    assert done.returncode == 0
    assert "[ADDRPORT] [OPTIONS]" in done.stdout
    assert "--limit-concurrency" in done.stdout
