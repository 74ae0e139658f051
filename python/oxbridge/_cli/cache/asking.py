"""Asking nodes what they do, all of them at the same time."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from oxbridge._cli.cache.arguments import Arguments
from oxbridge._cli.errors import CommandError


@dataclass(frozen=True)
class Answer:
    """What a node has said, or why it has not."""

    address: str
    snapshot: dict[str, Any] | None = None
    problem: str = ""


class Asker:
    """Asks nodes, with the credentials that the arguments name."""

    def __init__(self, asked: Arguments) -> None:
        self._asked = asked
        self._pool = ThreadPoolExecutor(32, "oxbridge-cache-top")
        self._seen: set[str] = set()
        self._tls: ssl.SSLContext | None = None
        if any(node.startswith("https://") for node in asked.nodes) or asked.ca:
            self._tls = _context(asked)

    def close(self) -> None:
        """Wait for nobody."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def cluster(self) -> list[Answer]:
        """Ask the nodes that were named, and all that these know of; sorted by address."""
        answers: dict[str, Answer] = {}
        wanted = list(self._asked.nodes)
        while wanted:
            for answer in self._pool.map(self.node, wanted):
                answers[answer.address] = answer
            answered = any(answer.snapshot for answer in answers.values())
            # Where nobody answers, those are missed that were there before.
            known = _known(answers.values()) if answered else self._seen
            wanted = sorted(known - answers.keys())
        self._seen = set(answers)
        return sorted(answers.values(), key=lambda answer: answer.address)

    def node(self, address: str) -> Answer:
        """Ask one node."""
        try:
            told = json.loads(self.text(address, "snapshot"))
        except CommandError as error:
            return Answer(address, problem=str(error))
        except ValueError:
            return Answer(address, problem="what it says is no JSON")
        if not isinstance(told, dict) or not {"groups", "nodes", "version"} <= told.keys():
            return Answer(address, problem="what it says is not what a node says")
        return Answer(address, told)

    def text(self, address: str, what: str) -> str:
        """Give what a node says to a question.

        Raises:
            CommandError: It says nothing, or something else; in words, without the address.
        """
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            tls = self._tls or _context(self._asked)
            connection = http.client.HTTPSConnection(
                host, port, timeout=self._asked.timeout, context=tls
            )
        else:
            connection = http.client.HTTPConnection(host, port, timeout=self._asked.timeout)
        fields = {}
        if self._asked.secret is not None:
            fields["Authorization"] = f"Bearer {self._asked.secret.hex()}"
        try:
            connection.request("GET", f"{self._asked.base_path}?{what}", headers=fields)
            answer = connection.getresponse()
            body = answer.read(64 << 20)
        except TimeoutError:
            raise CommandError(f"no answer within {self._asked.timeout:g} s") from None
        except ssl.SSLError as error:
            raise CommandError(f"TLS: {error.reason or error}") from None
        except OSError as error:
            raise CommandError(error.strerror or str(error)) from None
        except http.client.HTTPException as error:
            raise CommandError(f"it does not speak HTTP: {type(error).__name__}") from None
        finally:
            connection.close()
        if answer.status == 401:
            wanted = "another secret" if self._asked.secret else "a secret: --secret-file"
            raise CommandError(f"it wants {wanted}")
        if answer.status != 200:
            raise CommandError(f"it answers {answer.status}: no node of a cache, or an older one")
        return body.decode("utf-8", "replace")


def _known(answers: Iterable[Answer]) -> set[str]:
    """Give the nodes that nodes know of, as URLs."""
    known = set()
    for answer in answers:
        scheme = answer.address.partition("://")[0]
        for node in (answer.snapshot or {}).get("nodes", ()):
            address = str(node.get("address", "")).rstrip("/")
            url = address if "://" in address else f"{scheme}://{address}"
            # A node that is named otherwise here is not asked twice.
            if node.get("is_self"):
                continue
            known.add(url)
    asked = {str((answer.snapshot or {}).get("node")) for answer in answers}
    return {url for url in known if url not in asked and url.partition("://")[2] not in asked}


def _context(asked: Arguments) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=asked.ca)
        if asked.cert is not None:
            context.load_cert_chain(asked.cert, asked.key)
    except OSError as error:
        # ssl.SSLError is one, and says no file.
        files = " or ".join(filter(None, (asked.ca, asked.cert, asked.key)))
        raise CommandError(f"{files}: {error.strerror or error}") from None
    return context
