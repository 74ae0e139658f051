//! A client that sends one request on a connection of its own and takes the answer apart.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use oxbridge::Server;

/// One answer of a server.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The value of a header field; empty if there is none.
    pub(crate) fn field(&self, name: &str) -> &str {
        let mut values = self
            .fields
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name));
        let value = values.next().map_or("", |(_, value)| value);
        assert!(values.next().is_none(), "{name} is there twice: {self:?}");
        value
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// Sends a request and reads the answer to the end of the connection.
///
/// Panics if the body is not as long as Content-Length says, or is there where it must not be.
pub(crate) fn fetch(
    server: &Server,
    method: &str,
    target: &str,
    fields: &[(&str, &str)],
) -> Answer {
    let mut reader = ask(server, method, target, fields);
    let mut answer = read_head(&mut reader);
    reader.read_to_end(&mut answer.body).unwrap();
    if method == "HEAD" || answer.status == 304 {
        assert!(answer.body.is_empty(), "{answer:?}");
    } else {
        let length = answer.body.len().to_string();
        assert_eq!(answer.field("content-length"), length, "{answer:?}");
    }
    answer
}

/// Sends a request; what the server sends stays in the connection.
pub(crate) fn ask(
    server: &Server,
    method: &str,
    target: &str,
    fields: &[(&str, &str)],
) -> BufReader<TcpStream> {
    let address = server.addresses()[0].tcp().unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n");
    for (name, value) in fields {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all((head + "\r\n").as_bytes()).unwrap();
    BufReader::new(stream)
}

/// Reads the head of an answer.
pub(crate) fn read_head(reader: &mut BufReader<TcpStream>) -> Answer {
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        line.strip_suffix("\r\n")
            .expect("a whole line of a head")
            .to_owned()
    };
    let status = line()
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .expect("a status");
    let mut fields = Vec::new();
    loop {
        let field = line();
        if field.is_empty() {
            break;
        }
        let (name, value) = field.split_once(": ").expect("a field");
        fields.push((name.to_owned(), value.to_owned()));
    }
    Answer {
        status,
        fields,
        body: Vec::new(),
    }
}
