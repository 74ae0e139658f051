//! The life of one connection: handshake, protocol, requests, farewell.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper_util::rt::TokioExecutor;
use tokio::io::ReadBuf;
use tokio_rustls::TlsAcceptor as Handshake;

use crate::conn::{Conn, Order};
use crate::edge::Edge;
use crate::guard::{Guard, HeadLimits, Reject};
use crate::limits::Limits;
use crate::listen::Accepted;
use crate::proxy_protocol;
use crate::reactor::Shared;
use crate::service::Service;
use crate::stream::{Farewell, Quiet, Socket, Stream};
use crate::tls::{TlsAcceptor, TlsInfo};

/// What an HTTP/2 client with prior knowledge sends first (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long a client may take to read a last answer and close its side.
const LINGER: Duration = Duration::from_secs(2);
/// How long a connection without a request may still bring one once a drain has begun. The client cannot
/// know yet, and may have it on its way: a connection closed now would lose it. One that has none holds
/// the drain up for no longer than this.
const LAST_REQUEST: Duration = Duration::from_millis(250);

/// The wait for a last request, made only if a drain begins.
#[derive(Default)]
struct Patience(Option<Pin<Box<tokio::time::Sleep>>>);

impl Patience {
    /// Ready when it is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self
            .0
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(LAST_REQUEST)));
        sleep.as_mut().poll(cx)
    }
}

/// Serves one connection to its end.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    accepted: Accepted,
    conn: Arc<Conn>,
    tls: Option<TlsAcceptor>,
) {
    let _unused = Unused(conn.clone());
    let Some(Err(e)) = until_cut(&conn, run(&shared, accepted, &conn, tls)).await else {
        return;
    };
    tracing::debug!(peer = %conn.peer(), "connection ended: {e}");
}

/// Takes out a WebSocket that the connection did not live to become, and files that it did not send.
struct Unused(Arc<Conn>);

impl Drop for Unused {
    fn drop(&mut self) {
        drop(self.0.take_upgrade());
        self.0.files.clear();
    }
}

/// Polls `work` until it is done, or until the connection is to be cut.
async fn until_cut<F: Future>(conn: &Conn, work: F) -> Option<F::Output> {
    let mut work = pin!(work);
    poll_fn(|cx| {
        conn.set_task(cx.waker());
        if conn.order() == Order::Cut {
            return Poll::Ready(None);
        }
        work.as_mut().poll(cx).map(Some)
    })
    .await
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn run(
    shared: &Arc<Shared>,
    accepted: Accepted,
    conn: &Arc<Conn>,
    tls: Option<TlsAcceptor>,
) -> Result<(), Failure> {
    if let Some(from) = &shared.edge.proxy_protocol {
        // Boxed, so that connections do not carry room for it afterwards.
        match Box::pin(proxy_protocol::read(&accepted, conn, from)).await {
            Ok(Some(client)) => {
                // Nobody else sets it.
                let _ = conn.announced.set(client);
            }
            Ok(None) => {}
            Err(refusal) => {
                refusal.log(&conn.socket_peer);
                return Ok(());
            }
        }
    }
    let Some(tls) = tls else {
        let mut socket = match accepted {
            Accepted::Tcp(tcp) => Socket::Tcp(Quiet(tcp)),
            Accepted::Unix(unix) => Socket::Unix(Quiet(unix)),
        };
        let (start, is_h2) = sniff_preface(&mut socket, conn).await?;
        return speak(shared, socket, conn, start, is_h2).await;
    };
    // The sweep bounds the time: until the first request the connection is in its head phase.
    let handshake = Handshake::from(tls.current());
    let (socket, info) = match accepted {
        Accepted::Tcp(tcp) => {
            let stream = Box::pin(handshake.accept(Quiet(tcp))).await?;
            let info = TlsInfo::from_connection(stream.get_ref().1);
            (Socket::TlsTcp(Box::new(stream)), info)
        }
        Accepted::Unix(unix) => {
            let stream = Box::pin(handshake.accept(Quiet(unix))).await?;
            let info = TlsInfo::from_connection(stream.get_ref().1);
            (Socket::TlsUnix(Box::new(stream)), info)
        }
    };
    let is_h2 = info.alpn.as_deref() == Some("h2");
    // Nobody else sets it.
    let _ = conn.tls.set(info);
    speak(shared, socket, conn, Vec::new(), is_h2).await
}

/// How much is read to tell the protocol: most heads whole, so that it takes no second read.
const FIRST_READ: usize = 1024;

/// Reads until it is clear whether the client speaks HTTP/2; gives what it read.
async fn sniff_preface(socket: &mut Socket, conn: &Conn) -> io::Result<(Vec<u8>, bool)> {
    let mut start = [0; FIRST_READ];
    let mut len = 0;
    let mut patience = Patience::default();
    loop {
        let mut buf = ReadBuf::new(&mut start[len..]);
        poll_fn(|cx| match socket.poll_read(cx, &mut buf) {
            Poll::Pending if conn.order() == Order::Drain => patience
                .poll(cx)
                .map(|()| Err(io::ErrorKind::ConnectionAborted.into())),
            polled => polled,
        })
        .await?;
        let n = buf.filled().len();
        len += n;
        let told = len.min(PREFACE.len());
        let same = start[..told] == PREFACE[..told];
        if n == 0 || !same || told == PREFACE.len() {
            return Ok((start[..len].to_vec(), same && told == PREFACE.len()));
        }
    }
}

async fn speak(
    shared: &Arc<Shared>,
    socket: Socket,
    conn: &Arc<Conn>,
    start: Vec<u8>,
    is_h2: bool,
) -> Result<(), Failure> {
    let guard = (!is_h2).then(|| Guard::new(head_limits(&shared.limits)));
    let stream = Stream::new(socket, conn.clone(), guard, start);
    let service = Service {
        shared: shared.clone(),
        conn: conn.clone(),
    };
    if is_h2 {
        // Boxed, so that the many HTTP/1 connections do not carry room for it.
        Box::pin(speak_h2(&shared.limits, stream, service, conn)).await
    } else {
        speak_h1(&shared.limits, stream, service, conn).await
    }
}

fn head_limits(limits: &Limits) -> HeadLimits {
    HeadLimits {
        max_head_bytes: u32::try_from(limits.max_head_bytes).unwrap_or(u32::MAX),
        max_target_bytes: u32::try_from(limits.max_target_bytes).unwrap_or(u32::MAX),
        max_headers: u16::try_from(limits.max_headers).unwrap_or(u16::MAX),
        max_chunk_line: 4096,
    }
}

async fn speak_h1(
    limits: &Limits,
    stream: Stream,
    service: Service,
    conn: &Conn,
) -> Result<(), Failure> {
    let edge = service.shared.edge.clone();
    let mut builder = http1::Builder::new();
    builder
        .header_read_timeout(None)
        .auto_date_header(edge.date)
        // The guard bounds heads by bytes; this must not bite first.
        .max_buf_size(limits.max_head_bytes.saturating_add(1024).max(64 << 10));
    if limits.max_headers > 100 {
        // hyper's parser has room for 100 without an allocation. The guard counts up to this bound.
        builder.max_headers(limits.max_headers.min(usize::from(u16::MAX)));
    }
    let (mut stream, mut service) = (stream, service);
    let mut patience = Patience::default();
    let (served, all_read) = loop {
        let mut http = builder.serve_connection(stream, service);
        let mut told = false;
        let over = poll_fn(|cx| {
            if conn.order() == Order::Drain && !told {
                // A request that has arrived is answered: on a connection that is idle, hyper would not
                // look whether there is one.
                if let Poll::Ready(served) = http.poll_without_shutdown(cx) {
                    return Poll::Ready(Some(served));
                }
                if !conn.is_busy() && patience.poll(cx).is_pending() {
                    return Poll::Pending;
                }
                told = true;
                Pin::new(&mut http).graceful_shutdown();
            } else if conn.may_rest() {
                return Poll::Ready(None);
            }
            http.poll_without_shutdown(cx).map(Some)
        })
        .await;
        let parts = http.into_parts();
        (stream, service) = (parts.io, parts.service);
        if let Some(socket) = conn.take_upgrade() {
            let unread = parts.read_buf;
            return match over {
                // Boxed, so that the many other connections do not carry room for it.
                Some(Ok(())) if stream.end_http() => {
                    if let Some(stream) = Box::pin(socket.serve(stream, unread)).await {
                        part(conn, stream, Vec::new()).await;
                    }
                    Ok(())
                }
                over => over.map_or(Ok(()), |served| served.map_err(Into::into)),
            };
        }
        // Copied, as a rule nothing: even an empty slice would keep hyper's buffer alive.
        let unread = parts.read_buf.to_vec();
        drop(parts.read_buf);
        if let Some(served) = over {
            break (served, unread.is_empty());
        }
        // Idle: hyper's buffers, some 16 KiB, go back while nobody needs them.
        let woken = poll_fn(|cx| match stream.poll_rest(cx, &unread) {
            Poll::Pending if conn.order() == Order::Drain => patience.poll(cx).map(|()| Ok(false)),
            polled => polled,
        });
        if !woken.await? {
            return Ok(());
        }
    };
    let answer = match stream.rejected() {
        Some(reject) => {
            let (answer, sent) = refusal(reject, &edge);
            service.shared.notes.rejected(conn, reject.status, sent);
            answer
        }
        None => {
            if served.as_ref().is_err_and(hyper::Error::is_parse) {
                // A target that the guard lets pass and hyper does not; hyper has answered.
                service.shared.notes.rejected(conn, 400, 0);
            }
            Vec::new()
        }
    };
    let at_once = served.is_ok() && all_read && stream.needs_no_farewell();
    if answer.is_empty() && (stream.ended() || at_once) {
        return served.map_err(Into::into);
    }
    part(conn, stream, answer).await;
    served.map_err(Into::into)
}

/// Says the last word, and closes so that the client can read it.
async fn part(conn: &Conn, stream: Stream, answer: Vec<u8>) {
    conn.begin_farewell();
    // What goes wrong now concerns nobody: the client has all its answers, or has gone.
    let _ = tokio::time::timeout(LINGER, Farewell::new(stream.into_socket(), answer)).await;
}

/// The answer to a message that the guard rejected, and the length of its body.
fn refusal(reject: &Reject, edge: &Edge) -> (Vec<u8>, usize) {
    let reason = http::StatusCode::from_u16(reject.status)
        .ok()
        .and_then(|s| s.canonical_reason())
        .unwrap_or("");
    let text = format!("{reason}: {}\n", reject.reason);
    let mut answer = format!(
        "HTTP/1.1 {} {reason}\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\ncontent-length: {}\r\n",
        reject.status,
        text.len(),
    )
    .into_bytes();
    answer.extend_from_slice(&edge.lines());
    answer.extend_from_slice(b"\r\n");
    answer.extend_from_slice(text.as_bytes());
    (answer, text.len())
}

async fn speak_h2(
    limits: &Limits,
    stream: Stream,
    service: Service,
    conn: &Conn,
) -> Result<(), Failure> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .enable_connect_protocol()
        .auto_date_header(service.shared.edge.date)
        .max_concurrent_streams(limits.h2_max_streams)
        .max_pending_accept_reset_streams(limits.h2_max_resets)
        .max_header_list_size(u32::try_from(limits.max_head_bytes).unwrap_or(u32::MAX))
        // What HTTP/2 can count.
        .max_send_buf_size(limits.write_ahead.clamp(16 << 10, u32::MAX as usize));
    conn.begin_idle();
    let mut http = pin!(builder.serve_connection(stream, service));
    let mut told = false;
    poll_fn(|cx: &mut Context<'_>| {
        if conn.order() == Order::Drain && !told {
            told = true;
            http.as_mut().graceful_shutdown();
        }
        http.as_mut().poll(cx)
    })
    .await
    .map_err(Into::into)
}
