"""A PostgreSQL of its own for a test, on a free port."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cache_conditions import until

from serving import ROOT, free_port

sys.path.insert(0, str(ROOT / "tools"))
import programs


@contextmanager
def postgres() -> Iterator[str]:
    """Run a PostgreSQL with an empty database; give the URL."""
    program = programs.find("postgres")
    assert program is not None
    server = Path(program).resolve()
    # It does not run as root; then it does as nobody, in a folder where that one gets to.
    nobody = "nobody" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="oxbridge-postgres-"))
    try:
        if nobody is not None:
            shutil.chown(folder, nobody)
        data = folder / "data"
        initdb = [server.with_name("initdb"), "--pgdata", data, "--username", "tests"]
        subprocess.run(
            [*initdb, "--auth", "trust", "--no-sync", "--encoding", "UTF8"],
            check=True,
            stdout=subprocess.DEVNULL,
            user=nobody,
            cwd=folder,
        )
        port = free_port()
        settings = ["-p", str(port), "-k", folder, "-c", "fsync=off", "-h", "127.0.0.1"]
        process = subprocess.Popen(
            [server, "-D", data, *settings],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=nobody,
            cwd=folder,
        )
        try:
            url = f"postgresql://tests@127.0.0.1:{port}/postgres"
            until(lambda: _answers(url), 60)
            yield url
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _answers(url: str) -> bool:
    import asyncio

    import asyncpg

    async def ask() -> None:
        connection = await asyncpg.connect(url, timeout=5)
        await connection.close()

    try:
        asyncio.run(ask())
    except (OSError, asyncpg.CannotConnectNowError):
        return False
    return True
