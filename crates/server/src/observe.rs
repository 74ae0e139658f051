//! What is noted of every exchange: for the access log, for the metrics, and for the bounds that count
//! exchanges. A server without any of these makes no notes: an exchange then costs one comparison.

use std::fmt;
use std::sync::atomic::{
    AtomicU64, AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed},
};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Frame;

use crate::access_log::{AccessLog, CLIENT_LEFT, Head, Outcome, Record};
use crate::body::{Body, BoxError};
use crate::conn::Conn;
use crate::listen::PeerAddr;
use crate::metrics::{Gauge, Metrics};
use crate::sync::lock;

/// What a server is to note; the builder fills it in.
#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) log: Option<AccessLog>,
    pub(crate) metrics: Option<Metrics>,
    pub(crate) max_concurrency: Option<usize>,
    pub(crate) max_requests: Option<MaxRequests>,
    /// Exchanges that hold a [`Permit`].
    under_way: AtomicUsize,
}

/// Something to do when so many requests have begun.
pub(crate) struct MaxRequests {
    begun: AtomicU64,
    most: u64,
    reached: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl MaxRequests {
    pub(crate) fn new(most: u64, reached: Box<dyn FnOnce() + Send>) -> Self {
        MaxRequests {
            begun: AtomicU64::new(0),
            most: most.max(1),
            reached: Mutex::new(Some(reached)),
        }
    }

    fn count(&self) {
        if self.begun.fetch_add(1, Relaxed) + 1 == self.most {
            let reached = lock(&self.reached).take();
            if let Some(reached) = reached {
                reached();
            }
        }
    }
}

/// What came of asking to begin an exchange.
pub(crate) enum Begun {
    /// It may go on; with a watch over it, if there is anything to note.
    Admitted(Option<Box<Watch>>),
    /// Too many are under way.
    Refused(Option<Box<Watch>>),
}

impl Notes {
    /// Begins an exchange. `client` is asked who the client is, if that is to be noted; `live` has a
    /// reference for each writer that is alive, and one more.
    pub(crate) fn begin<B>(
        self: &Arc<Self>,
        request: &Request<B>,
        client: impl FnOnce(&HeaderMap) -> PeerAddr,
        live: &Arc<()>,
    ) -> Begun {
        if let Some(max_requests) = &self.max_requests {
            max_requests.count();
        }
        let permit = match self.max_concurrency {
            // A client that leaves ends the exchange, but not its handler: both are counted.
            Some(most) if Arc::strong_count(live) > most => None,
            Some(most) => Permit::take(self, most).map(Some),
            None => Some(None),
        };
        let is_noted = self.log.is_some() || self.metrics.is_some();
        match permit {
            Some(permit) if is_noted || permit.is_some() => {
                Begun::Admitted(Some(Box::new(self.watch(request, client, permit))))
            }
            Some(_) => Begun::Admitted(None),
            None => {
                self.refused();
                Begun::Refused(is_noted.then(|| Box::new(self.watch(request, client, None))))
            }
        }
    }

    fn watch<B>(
        self: &Arc<Self>,
        request: &Request<B>,
        client: impl FnOnce(&HeaderMap) -> PeerAddr,
        permit: Option<Permit>,
    ) -> Watch {
        Watch {
            begun: Instant::now(),
            method: request.method().clone(),
            record: self.log.as_ref().map(|log| Record {
                client: client(request.headers()),
                came: SystemTime::now(),
                head: Some(Head {
                    method: request.method().clone(),
                    uri: request.uri().clone(),
                    version: request.version(),
                }),
                fields: log.request_fields(request.headers()),
            }),
            status: None,
            fields: Vec::new(),
            length: None,
            sent: 0,
            complete: false,
            failed: false,
            in_flight: self.metrics.as_ref().map(Metrics::exchange_begun),
            permit,
            notes: self.clone(),
        }
    }

    /// A request was answered with 503, since there is too much to do.
    pub(crate) fn refused(&self) {
        if let Some(metrics) = &self.metrics {
            metrics.refused();
        }
    }

    /// The guard has answered what was no request.
    pub(crate) fn rejected(&self, conn: &Conn, status: u16, sent: usize) {
        if let Some(metrics) = &self.metrics {
            metrics.request(None, status);
        }
        if let Some(log) = &self.log {
            let record = Record {
                client: conn.peer().clone(),
                came: SystemTime::now(),
                head: None,
                fields: Vec::new(),
            };
            let outcome = Outcome {
                status,
                sent: sent as u64,
                took: Duration::ZERO,
                complete: true,
                fields: Vec::new(),
            };
            log.write(&record, &outcome);
        }
    }

    /// Brings what has been logged to its sink, as the last thing that a server does.
    pub(crate) fn finish(&self) {
        if let Some(log) = &self.log {
            log.flush(LAST);
        }
    }
}

/// How long a server that has stopped waits for the sink of its access log.
const LAST: Duration = Duration::from_secs(1);

/// One of the exchanges that may be under way.
struct Permit(Arc<Notes>);

impl Permit {
    fn take(notes: &Arc<Notes>, most: usize) -> Option<Self> {
        notes
            .under_way
            .fetch_update(AcqRel, Acquire, |n| (n < most).then_some(n + 1))
            .ok()
            .map(|_| Permit(notes.clone()))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, AcqRel);
    }
}

/// Watches over one exchange until its answer has been handed to the protocol, or it was given up; notes
/// then, in its drop, what came of it.
pub(crate) struct Watch {
    begun: Instant,
    method: Method,
    record: Option<Record>,
    /// None until there is an answer.
    status: Option<StatusCode>,
    /// The response fields that the log shows.
    fields: Vec<Option<HeaderValue>>,
    /// Bytes of the body, if the answer says it.
    length: Option<u64>,
    sent: u64,
    complete: bool,
    failed: bool,
    #[expect(dead_code, reason = "for its drop")]
    in_flight: Option<Gauge>,
    #[expect(dead_code, reason = "for its drop")]
    permit: Option<Permit>,
    notes: Arc<Notes>,
}

impl Watch {
    /// The head of the answer is there.
    pub(crate) fn head(&mut self, response: &Response<Body>) {
        let status = response.status();
        self.status = Some(status);
        self.failed = response.extensions().get::<Failure>().is_some();
        let bodiless = self.method == Method::HEAD
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
            || status.is_informational();
        self.length = if bodiless {
            Some(0)
        } else {
            content_length(response.headers())
        };
        if let Some(log) = &self.notes.log {
            self.fields = log.response_fields(response.headers());
        }
    }

    /// The protocol was given something of the body.
    pub(crate) fn gave(&mut self, polled: &Poll<Option<Result<Frame<Bytes>, BoxError>>>) {
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.sent += frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            Poll::Ready(Some(Err(_))) => self.failed = true,
            Poll::Ready(None) => self.complete = true,
            Poll::Pending => {}
        }
    }

    /// The protocol has done with the body; `at_end` says that nothing of it is left.
    pub(crate) fn done(&mut self, at_end: bool) {
        // A body whose length is known is not asked for its end.
        let all = self.length.is_some_and(|length| self.sent >= length);
        self.complete |= !self.failed && (at_end || all);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let took = self.begun.elapsed();
        let status = self.status.map_or(CLIENT_LEFT, |status| status.as_u16());
        if let Some(metrics) = &self.notes.metrics {
            metrics.request(Some(&self.method), status);
            metrics.took(took);
            metrics.sent(self.sent);
            if self.failed {
                metrics.failed();
            }
        }
        if let (Some(log), Some(record)) = (&self.notes.log, &self.record) {
            let outcome = Outcome {
                status,
                sent: self.sent,
                took,
                complete: self.complete,
                fields: std::mem::take(&mut self.fields),
            };
            log.write(record, &outcome);
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("method", &self.method)
            .field("status", &self.status)
            .field("sent", &self.sent)
            .finish_non_exhaustive()
    }
}

/// Marks, among a response's extensions, one that stands for a handler's failure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failure;

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
