//! Fields that every answer carries: Server, Date and a user's own.

mod wire;

use http::{HeaderMap, HeaderValue};
use oxbridge::{Body, Builder, Request, Server};
use wire::{Answer, Client};

#[test]
fn by_default_there_is_a_date_and_no_server() {
    let server = serve(builder());
    for request in REQUESTS {
        let answer = ask(&server, request);
        assert!(!answer.has("server"), "{request:?}");
        has_date(&answer, request);
    }
}

#[test]
fn every_answer_carries_what_was_chosen_also_those_of_no_handler() {
    let server = serve(chosen());
    for (request, status) in REQUESTS.iter().zip(STATUS) {
        let answer = ask(&server, request);
        assert_eq!(answer.status, *status, "{request:?}");
        assert_eq!(answer.field("server"), "ours", "{request:?}");
        assert_eq!(answer.field("x-frame-options"), "DENY", "{request:?}");
        let links: Vec<_> = fields(&answer, "link");
        assert_eq!(links, ["<a>", "<b>"], "{request:?}");
        assert!(!answer.has("date"), "{request:?}");
    }
}

#[test]
fn what_a_handler_sets_stands() {
    let server = serve(chosen());
    for path in ["/own", "/own-blocking"] {
        let answer = ask(&server, &format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(answer.field("server"), "mine", "{path}");
        assert_eq!(answer.field("x-frame-options"), "SAMEORIGIN", "{path}");
        assert_eq!(fields(&answer, "link"), ["<own>"], "{path}");
    }
}

#[test]
fn a_date_of_ones_own_is_possible() {
    let mut headers = HeaderMap::new();
    let epoch = "Thu, 01 Jan 1970 00:00:00 GMT";
    headers.insert("date", HeaderValue::from_static(epoch));
    let server = serve(builder().default_headers(headers));
    for request in REQUESTS {
        assert_eq!(ask(&server, request).field("date"), epoch, "{request:?}");
    }
}

#[test]
fn a_server_among_the_default_headers_wins() {
    let mut headers = HeaderMap::new();
    headers.insert("server", HeaderValue::from_static("by hand"));
    let server = serve(
        builder()
            .server_header(Some(HeaderValue::from_static("ours")))
            .default_headers(headers),
    );
    assert_eq!(ask(&server, REQUESTS[0]).field("server"), "by hand");
}

#[test]
fn a_field_of_one_message_is_refused() {
    for name in [
        "connection",
        "content-length",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static("1"));
        let builder = builder().default_headers(headers);
        let error = builder.start().unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "cannot add {name} to every answer: it belongs to one message, and the protocol writes it"
            )
        );
        assert_eq!(error.field().unwrap(), name);
        assert!(error.bind().is_none() && error.raw_os_error().is_none());
    }
}

#[tokio::test]
async fn http_2_answers_carry_them_too() {
    for (builder, with) in [(chosen(), true), (builder(), false)] {
        let server = serve(builder);
        let tcp = tokio::net::TcpStream::connect(server.addresses()[0].tcp().unwrap());
        let (mut send, connection) = h2::client::handshake(tcp.await.unwrap()).await.unwrap();
        let connection = tokio::spawn(connection);
        for path in ["/", "/missing", "/own"] {
            let request = http::Request::get(format!("http://a{path}"))
                .body(())
                .unwrap();
            let (response, _) = send.send_request(request, true).unwrap();
            let headers = response.await.unwrap().into_parts().0.headers;
            assert_eq!(headers.contains_key("date"), !with, "{path}");
            let server = headers.get("server").map(HeaderValue::as_bytes);
            let expected = match (with, path) {
                (_, "/own") => Some(&b"mine"[..]),
                (true, _) => Some(&b"ours"[..]),
                (false, _) => None,
            };
            assert_eq!(server, expected, "{path}");
            assert_eq!(
                headers.get_all("link").iter().count(),
                match (with, path) {
                    (_, "/own") => 1,
                    (true, _) => 2,
                    (false, _) => 0,
                }
            );
        }
        connection.abort();
    }
}

/// Answered by a handler of each kind, by the mux, by the service and by the guard.
const REQUESTS: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /blocking HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.0\r\n\r\n",
    "GET /missing HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    "GET /tree HTTP/1.1\r\nHost: a\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /panics HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /% HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\n\r\n",
    "rubbish\r\n\r\n",
];

const STATUS: &[u16] = &[200, 200, 200, 404, 405, 307, 200, 500, 400, 400, 400];

/// Requires a date in the form of RFC 9110 §5.6.7.
fn has_date(answer: &Answer, request: &str) {
    let date = answer.field("date");
    assert!(
        date.len() == 29 && date.ends_with(" GMT"),
        "{request:?}: {date:?}"
    );
}

fn fields<'a>(answer: &'a Answer, name: &str) -> Vec<&'a str> {
    let named = answer
        .fields
        .iter()
        .filter(|(n, _)| n.eq_ignore_ascii_case(name));
    named.map(|(_, value)| &**value).collect()
}

fn ask(server: &Server, request: &str) -> Answer {
    let mut client = Client::of(server);
    client.send(request);
    client.answer()
}

fn chosen() -> Builder {
    let mut headers = HeaderMap::new();
    headers.insert("x-frame-options", HeaderValue::from_static("DENY"));
    headers.append("link", HeaderValue::from_static("<a>"));
    headers.append("link", HeaderValue::from_static("<b>"));
    builder()
        .server_header(Some(HeaderValue::from_static("ours")))
        .date_header(false)
        .default_headers(headers)
}

fn builder() -> Builder {
    let mut builder = Server::builder();
    builder
        .route("GET /{$}", |_: Request| async { "async" })
        .unwrap();
    builder
        .blocking("GET /blocking", |w, _| w.write(b"blocking"))
        .unwrap();
    builder
        .route("/tree/", |_: Request| async { "tree" })
        .unwrap();
    builder
        .route("/panics", |_: Request| async {
            std::panic::resume_unwind(Box::new(()));
            #[expect(unreachable_code, reason = "the type of the answer")]
            ""
        })
        .unwrap();
    builder
        .route("/own", |_: Request| async {
            http::Response::builder()
                .header("server", "mine")
                .header("x-frame-options", "SAMEORIGIN")
                .header("link", "<own>")
                .body(Body::from("own"))
                .unwrap()
        })
        .unwrap();
    builder
        .blocking("/own-blocking", |w, _| {
            let headers = w.headers_mut()?;
            headers.insert("server", HeaderValue::from_static("mine"));
            headers.insert("x-frame-options", HeaderValue::from_static("SAMEORIGIN"));
            headers.insert("link", HeaderValue::from_static("<own>"));
            w.write(b"own")
        })
        .unwrap();
    builder
}

fn serve(builder: Builder) -> Server {
    builder
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap()
}
