//! Tower services and axum routers, mounted on patterns.

mod gate;
mod wire;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::Path;
use axum::routing::{get as on_get, post};
use bytes::Bytes;
use gate::eventually;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use oxbridge::{Body, BodyError, Builder, Connection, Limits, Matched, RequestBody, Server};
use tower::{Service, service_fn};
use wire::{Client, get};

#[test]
fn a_service_gets_the_request_and_its_extensions() {
    let mut builder = Server::builder();
    let service = service_fn(|request: Request<RequestBody>| async move {
        let matched = request.extensions().get::<Matched>().unwrap();
        let connection = request.extensions().get::<Connection>().unwrap();
        let text = format!(
            "{} {} {:?} {:?} {} {} {}",
            request.method(),
            matched.pattern(),
            matched.value("name"),
            matched.value("other"),
            connection.peer(),
            connection.local(),
            connection.tls().is_some(),
        );
        Ok::<_, Infallible>(Response::new(Full::from(text)))
    });
    builder.service("GET /hello/{name}", service).unwrap();
    let server = serve(builder);
    let mut client = Client::of(&server);
    let answer = client.get("/hello/J%C3%BCrgen").answer();
    let peer = client.stream.local_addr().unwrap();
    let local = client.stream.peer_addr().unwrap();
    assert_eq!(
        answer.text(),
        format!("GET GET /hello/{{name}} Some(\"Jürgen\") None {peer} {local} false")
    );
}

#[test]
fn a_service_reads_and_streams_bodies() {
    let mut builder = Server::builder();
    let echo = service_fn(|request: Request<RequestBody>| async move {
        Ok::<_, Infallible>(Response::new(request.into_body()))
    });
    builder.service("/echo", echo).unwrap();
    let collect = service_fn(|request: Request<RequestBody>| async move {
        let collected = request.into_body().collect().await?;
        let sum = collected.trailers().map_or(0, http::HeaderMap::len);
        let text = format!("{} bytes, {sum} trailers", collected.to_bytes().len());
        Ok::<_, BodyError>(Response::new(Full::from(text)))
    });
    builder.service("/collect", collect).unwrap();
    let server = serve(builder);
    let mut client = Client::of(&server);
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
    let mut answer = client.head();
    assert_eq!(
        client.take(6),
        b"1\r\na\r\n",
        "it comes back before the rest is sent"
    );
    client.send("2\r\nbc\r\n0\r\n\r\n");
    client.body(&mut answer);
    assert_eq!(answer.text(), "bc");
    client.send("POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n");
    assert_eq!(client.answer().text(), "3 bytes, 1 trailers");
    // A known length stays known.
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    let answer = client.answer();
    assert_eq!(
        (answer.text(), answer.field("content-length")),
        ("abc", "3")
    );
}

#[test]
fn a_service_that_fails_or_panics_is_500_and_the_server_lives() {
    let mut builder = Server::builder();
    builder
        .service(
            "/fails",
            service_fn(|_: Request<RequestBody>| async {
                Err::<Response<Full<Bytes>>, _>("on purpose")
            }),
        )
        .unwrap();
    builder
        .service(
            "/panics",
            service_fn(|_: Request<RequestBody>| async {
                if true { panic!("on purpose") } else { ok() }
            }),
        )
        .unwrap();
    builder
        .service(
            "/panics/at/once",
            service_fn(
                |_: Request<RequestBody>| -> Ready<Result<Response<Full<Bytes>>, Infallible>> {
                    panic!("on purpose")
                },
            ),
        )
        .unwrap();
    builder
        .service(
            "/well",
            service_fn(|_: Request<RequestBody>| async { ok() }),
        )
        .unwrap();
    let server = serve(builder);
    let mut client = Client::of(&server);
    for target in ["/fails", "/panics", "/panics/at/once"] {
        assert_eq!(client.get(target).answer().status, 500, "{target}");
        assert_eq!(
            client.get("/well").answer().text(),
            "well",
            "after {target}"
        );
    }
}

#[test]
fn a_service_that_is_never_ready_is_503() {
    #[derive(Clone)]
    struct Broken;
    impl Service<Request<RequestBody>> for Broken {
        type Response = Response<Full<Bytes>>;
        type Error = &'static str;
        type Future = Ready<Result<Self::Response, Self::Error>>;
        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
            Poll::Ready(Err("out of order"))
        }
        fn call(&mut self, _: Request<RequestBody>) -> Self::Future {
            ready(Err("called although it was not ready"))
        }
    }
    let mut builder = Server::builder();
    builder.service("/", Broken).unwrap();
    let server = serve(builder);
    let mut client = Client::of(&server);
    assert_eq!(client.get("/").answer().status, 503);
    client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.head().status, 503);
    assert_eq!(
        client.get("/").answer().status,
        503,
        "no body came with the answer to HEAD"
    );
}

#[test]
fn an_axum_router_serves_beside_patterns() {
    let router = Router::new()
        .route(
            "/api/users/{id}",
            on_get(|Path(id): Path<u32>| async move { format!("user {id}") }),
        )
        .route("/api/echo", post(|body: String| async move { body }));
    let mut builder = Server::builder();
    builder.service("/api/", router).unwrap();
    builder
        .blocking("/api/special", |w, _| w.write(b"special"))
        .unwrap();
    let server = serve(builder.limits(Limits {
        max_body: Some(100),
        ..Limits::default()
    }));
    assert_eq!(get(&server, "/api/users/7").text(), "user 7");
    assert_eq!(get(&server, "/api/users/x").status, 400);
    assert_eq!(get(&server, "/api/none").status, 404);
    assert_eq!(
        get(&server, "/api/special").text(),
        "special",
        "the longer pattern wins"
    );
    let mut client = Client::of(&server);
    client.send("POST /api/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(client.answer().text(), "hello");
    // HEAD under GET, as axum does it.
    client.send("HEAD /api/users/7 HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = client.head();
    assert_eq!((answer.status, answer.field("content-length")), (200, "6"));
    client.send("DELETE /api/echo HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().status, 405);
}

#[test]
fn bodies_of_every_kind_make_responses() {
    let mut builder = Server::builder();
    builder
        .route("/{kind}", |request: oxbridge::Request| async move {
            Response::new(match request.path_value("kind").unwrap() {
                "empty" => Body::empty(),
                "text" => "text".into(),
                "string" => String::from("string").into(),
                "bytes" => Bytes::from_static(b"bytes").into(),
                "vec" => vec![b'v'; 3].into(),
                _ => Body::new(Full::from("other")),
            })
        })
        .unwrap();
    let server = serve(builder);
    for (kind, text) in [
        ("empty", ""),
        ("text", "text"),
        ("string", "string"),
        ("bytes", "bytes"),
        ("vec", "vvv"),
        ("other", "other"),
    ] {
        let answer = get(&server, &format!("/{kind}"));
        assert_eq!(
            (answer.text(), answer.field("content-length")),
            (text, text.len().to_string().as_str()),
            "{kind}"
        );
    }
    eventually("nothing is left", || server.connections() == 0);
}

fn ok() -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from("well")))
}

fn serve(builder: Builder) -> Server {
    builder
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap()
}
