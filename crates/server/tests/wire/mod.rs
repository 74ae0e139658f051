//! A client that says exactly what a test wants on the wire, and takes the answers apart as strictly.
#![allow(
    dead_code,
    reason = "not every test file that has this module uses all of it"
)]

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use oxbridge::Server;

/// How long a test waits for anything before it fails: long enough for a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// One answer of a server.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The sizes of the chunks that came, if the body is chunked.
    pub(crate) chunks: Vec<usize>,
    pub(crate) trailers: Vec<(String, String)>,
    /// Whether the body came to the end that its framing announces.
    pub(crate) whole: bool,
}

impl Answer {
    /// The value of a header field; empty if there is none.
    ///
    /// Panics if there are two.
    pub(crate) fn field(&self, name: &str) -> &str {
        let mut values = self
            .fields
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name));
        let value = values.next().map_or("", |(_, value)| value);
        assert!(values.next().is_none(), "{name} is there twice: {self:?}");
        value
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields
            .iter()
            .any(|(n, _)| n.eq_ignore_ascii_case(name))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// One connection of a client.
#[derive(Debug)]
pub(crate) struct Client<S> {
    pub(crate) stream: S,
    /// Came, and not read yet.
    ahead: Vec<u8>,
}

impl Client<TcpStream> {
    /// Connects to the first address of a server.
    pub(crate) fn of(server: &Server) -> Self {
        Self::to(server.addresses()[0].tcp().unwrap())
    }

    pub(crate) fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream)
    }

    /// Closes the client's side; the server's stays open.
    pub(crate) fn finish(&mut self) {
        // Where the server has closed already there is nothing left to close.
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
    }
}

impl<S: Read + Write> Client<S> {
    pub(crate) fn over(stream: S) -> Self {
        Client {
            stream,
            ahead: Vec::new(),
        }
    }

    /// Sends in one write.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.try_send(bytes).unwrap();
        self
    }

    /// Sends, to a server that may have closed already.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())?;
        self.stream.flush()
    }

    /// Sends `GET target` on a connection that stays open.
    pub(crate) fn get(&mut self, target: &str) -> &mut Self {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"))
    }

    /// The answer to a request that is no HEAD, with its body.
    pub(crate) fn answer(&mut self) -> Answer {
        let mut answer = self.head();
        self.body(&mut answer);
        answer
    }

    /// The head of an answer; the body stays in the connection.
    pub(crate) fn head(&mut self) -> Answer {
        let line = self.line();
        let mut parts = line.splitn(3, ' ');
        let version = parts.next().unwrap();
        assert!(
            matches!(version, "HTTP/1.1" | "HTTP/1.0"),
            "no status line: {line:?}"
        );
        let status = parts
            .next()
            .and_then(|code| code.parse().ok())
            .expect("a status");
        let fields = self.fields();
        Answer {
            status,
            fields,
            body: Vec::new(),
            chunks: Vec::new(),
            trailers: Vec::new(),
            whole: true,
        }
    }

    /// Reads the body that belongs to a head.
    pub(crate) fn body(&mut self, answer: &mut Answer) {
        if matches!(answer.status, 100..200 | 204 | 304) {
            return;
        }
        if answer
            .field("transfer-encoding")
            .eq_ignore_ascii_case("chunked")
        {
            assert!(!answer.has("content-length"), "two framings: {answer:?}");
            answer.whole = self.chunks(answer);
        } else if answer.has("content-length") {
            let length = answer.field("content-length").parse().unwrap();
            while self.ahead.len() < length && self.more() {}
            answer.whole = self.ahead.len() >= length;
            let length = length.min(self.ahead.len());
            answer.body = self.ahead.drain(..length).collect();
        } else {
            answer.body = self.rest();
        }
    }

    /// All that comes until the server closes.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.more() {}
        std::mem::take(&mut self.ahead)
    }

    /// Exactly `n` bytes.
    pub(crate) fn take(&mut self, n: usize) -> Vec<u8> {
        while self.ahead.len() < n {
            assert!(self.more(), "{} bytes instead of {n}", self.ahead.len());
        }
        self.ahead.drain(..n).collect()
    }

    /// Requires that the server closes and says nothing before.
    pub(crate) fn assert_end(&mut self) {
        let rest = self.rest();
        assert_eq!(
            String::from_utf8_lossy(&rest),
            "",
            "something came before the end"
        );
    }

    /// Chunks and trailers; says whether they came to their end.
    fn chunks(&mut self, answer: &mut Answer) -> bool {
        loop {
            let Some(line) = self.try_line() else {
                return false;
            };
            let size = usize::from_str_radix(&line, 16).expect("a chunk size");
            if size == 0 {
                answer.trailers = self.fields();
                return true;
            }
            while self.ahead.len() < size + 2 {
                if !self.more() {
                    answer.body.append(&mut self.ahead);
                    return false;
                }
            }
            answer.body.extend(self.ahead.drain(..size));
            answer.chunks.push(size);
            assert_eq!(
                self.ahead.drain(..2).as_slice(),
                b"\r\n",
                "the end of a chunk"
            );
        }
    }

    fn fields(&mut self) -> Vec<(String, String)> {
        let mut fields = Vec::new();
        loop {
            let line = self.line();
            if line.is_empty() {
                return fields;
            }
            let (name, value) = line.split_once(':').expect("a field");
            fields.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    fn line(&mut self) -> String {
        self.try_line()
            .expect("a line of an answer, not the end of the connection")
    }

    /// A line without its end; none if the connection ends in it.
    fn try_line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.ahead.windows(2).position(|pair| pair == b"\r\n") {
                let line = String::from_utf8_lossy(&self.ahead[..at]).into_owned();
                self.ahead.drain(..at + 2);
                return Some(line);
            }
            if !self.more() {
                return None;
            }
        }
    }

    /// Reads some more; false at the end, also where the server cut the connection.
    fn more(&mut self) -> bool {
        let mut buffer = [0; 16 << 10];
        match self.stream.read(&mut buffer) {
            Ok(n) => {
                self.ahead.extend_from_slice(&buffer[..n]);
                n > 0
            }
            Err(e) => match e.kind() {
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof => false,
                // The process was stopped for a moment.
                io::ErrorKind::Interrupted => self.more(),
                _ => panic!(
                    "the server neither answered nor closed: {e}; until then {:?}",
                    String::from_utf8_lossy(&self.ahead)
                ),
            },
        }
    }
}

/// `GET target` on a connection of its own.
pub(crate) fn get(server: &Server, target: &str) -> Answer {
    let mut client = Client::of(server);
    client.send(format!(
        "GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    ));
    let answer = client.answer();
    client.assert_end();
    answer
}
