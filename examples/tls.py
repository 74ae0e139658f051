"""HTTPS, with HTTP/2 for the clients that want it.

Make a certificate for this machine, and start it:

    openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout key.pem -out cert.pem
    TLS_CERT=cert.pem TLS_KEY=key.pem python examples/tls.py

Try it:

    curl --cacert cert.pem https://localhost:5000/
"""

import os

from oxbridge import Request, ResponseWriter, Tls, route, run


@route("GET /")
def index(w: ResponseWriter, req: Request) -> None:
    session = req.tls
    assert session is not None  # this server has no port without TLS
    w.write(f"{req.proto} over {session.version} with {session.cipher}\n")


if __name__ == "__main__":
    run(
        host=os.environ.get("HOST", "127.0.0.1"),
        port=os.environ.get("PORT", "5000"),
        tls=Tls(
            cert=os.environ.get("TLS_CERT", "cert.pem"),
            key=os.environ.get("TLS_KEY", "key.pem"),
        ),
    )
