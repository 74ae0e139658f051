"""The options of TLS, each seen by a client of the server that it makes."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from end_to_end import line, refusal, write_project
from supervised import BOUND

from serving import Serve

if TYPE_CHECKING:
    from conftest import Certificates


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write_project(tmp_path)
    return tmp_path


@pytest.fixture
def tls(certificates: Certificates) -> list[str]:
    return ["--ssl-certfile", str(certificates.chain), "--ssl-keyfile", str(certificates.key)]


@pytest.mark.parametrize("more", [[], ["--workers", "2"]])
def test_tls(
    serve: Serve, directory: Path, certificates: Certificates, tls: list[str], more: list[str]
) -> None:
    served = serve(*line(*tls, *more), cwd=directory)
    assert served.url.startswith("https://")
    trust = ssl.create_default_context(cafile=certificates.authority)
    for http2, version in ((False, "HTTP/1.1"), (True, "HTTP/2")):
        with httpx.Client(verify=trust, http2=http2) as client:
            answer = client.get(served.url)
            assert answer.http_version == version
            assert answer.json()["wsgi.url_scheme"] == "https"
            assert answer.json()["SERVER_PROTOCOL"] == version
    assert served.stop() == 0


@pytest.mark.parametrize(("required", "without"), [("1", True), ("2", False)])
def test_client_certificates(
    serve: Serve,
    directory: Path,
    certificates: Certificates,
    tls: list[str],
    required: str,
    without: bool,
) -> None:
    authorities = ["--ssl-ca-certs", str(certificates.authority), "--ssl-cert-reqs", required]
    served = serve(*line(*tls, *authorities), cwd=directory)
    trust = ssl.create_default_context(cafile=certificates.authority)
    if without:
        assert httpx.get(served.url, verify=trust).status_code == 200
    else:
        with pytest.raises(httpx.TransportError):
            httpx.get(served.url, verify=trust)
    trust.load_cert_chain(certificates.client_chain, certificates.client_key)
    assert httpx.get(served.url, verify=trust).status_code == 200


@pytest.mark.parametrize(
    ("options", "most", "accepted"),
    [
        (["--ssl-min-version", "1.3"], ssl.TLSVersion.TLSv1_2, False),
        (["--ssl-min-version", "1.3"], ssl.TLSVersion.TLSv1_3, True),
        ([], ssl.TLSVersion.TLSv1_2, True),
        (["--ssl-ciphers", "ECDHE-ECDSA-AES256-GCM-SHA384"], ssl.TLSVersion.TLSv1_2, True),
    ],
)
def test_versions_and_ciphers(
    serve: Serve,
    directory: Path,
    certificates: Certificates,
    tls: list[str],
    options: list[str],
    most: ssl.TLSVersion,
    accepted: bool,
) -> None:
    served = serve(*line(*tls, *options), cwd=directory)
    trust = ssl.create_default_context(cafile=certificates.authority)
    trust.maximum_version = most
    with socket.create_connection(("127.0.0.1", served.port), BOUND) as plain:
        if not accepted:
            with pytest.raises(ssl.SSLError):
                trust.wrap_socket(plain, server_hostname="localhost")
            return
        with trust.wrap_socket(plain, server_hostname="localhost") as secure:
            assert secure.version() == most.name.replace("_", ".")
            cipher = secure.cipher()
            assert cipher is not None
            if "--ssl-ciphers" in options:
                assert cipher[0] == options[1]


def test_a_key_with_a_password(serve: Serve, directory: Path, certificates: Certificates) -> None:
    key = serialization.load_pem_private_key(certificates.key.read_bytes(), None)
    locked = directory / "locked.pem"
    locked.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"sesame"),
        )
    )
    options = ["--ssl-certfile", str(certificates.chain), "--ssl-keyfile", str(locked)]
    served = serve(*line(*options), cwd=directory, env={"OXBRIDGE_SSL_KEYFILE_PASSWORD": "sesame"})
    trust = ssl.create_default_context(cafile=certificates.authority)
    assert httpx.get(served.url, verify=trust).status_code == 200
    said = refusal(directory, *options, "--ssl-keyfile-password", "wrong")
    assert str(locked) in said


@pytest.mark.parametrize("more", [[], ["--workers", "2"]])
def test_a_key_of_another_certificate(
    directory: Path, certificates: Certificates, more: list[str]
) -> None:
    mismatched = [
        "--ssl-certfile", str(certificates.chain), "--ssl-keyfile", str(certificates.client_key)
    ]  # fmt: skip
    assert str(certificates.client_key) in refusal(directory, *mismatched, *more)


def test_a_key_that_may_not_be_read(directory: Path, certificates: Certificates) -> None:
    key = directory / "secret.pem"
    key.write_bytes(certificates.key.read_bytes())
    key.chmod(0)
    # What root can read all the same, it cannot without these.
    capabilities = "--bounding-set=-dac_override,-dac_read_search"
    unprivileged = ["setpriv", capabilities] if os.geteuid() == 0 else []
    done = subprocess.run(
        [
            *unprivileged,
            *line("--ssl-certfile", str(certificates.chain), "--ssl-keyfile", str(key)),
        ],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=BOUND,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == f"oxbridge: the key {key} cannot be read: Permission denied\n"
