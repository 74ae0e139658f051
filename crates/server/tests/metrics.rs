//! The metrics: what is counted, by whom, and that Prometheus can read it.

mod gate;
mod wire;

use std::collections::{HashMap, HashSet};
use std::io;

use gate::{Gate, eventually};
use oxbridge::metrics::Metrics;
use oxbridge::{Builder, Request, Server};
use wire::{Client, PATIENCE};

const REQUESTS: &str = "oxbridge_http_requests_total";
const DURATION: &str = "oxbridge_http_request_duration_seconds";

/// A sample of each name and label set, from a text that keeps to the format's rules.
fn parse(text: &str) -> HashMap<String, f64> {
    assert!(text.ends_with('\n'));
    let mut samples = HashMap::new();
    let (mut helped, mut family, mut kinds) = (String::new(), String::new(), HashSet::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(!help.is_empty() && !help.contains('\\'), "{line}");
            helped = name.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(name, helped, "HELP and TYPE stand together");
            assert!(matches!(kind, "counter" | "gauge" | "histogram"), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            assert!(kinds.insert(name.to_owned()), "{name} is there twice");
            family = name.to_owned();
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let name = series.split('{').next().unwrap();
            let suffix = name
                .strip_prefix(&family)
                .unwrap_or_else(|| panic!("{line} under {family}"));
            assert!(
                matches!(suffix, "" | "_bucket" | "_sum" | "_count"),
                "{line}"
            );
            if let Some(labels) = series
                .strip_prefix(name)
                .filter(|labels| !labels.is_empty())
            {
                let inner = labels
                    .strip_prefix('{')
                    .and_then(|l| l.strip_suffix('}'))
                    .unwrap();
                for label in inner.split(',') {
                    let (name, value) = label.split_once('=').unwrap();
                    assert!(name.bytes().all(|b| b.is_ascii_lowercase()), "{line}");
                    assert!(
                        value.len() > 2 && value.starts_with('"') && value.ends_with('"'),
                        "{line}"
                    );
                }
            }
            assert!(
                samples
                    .insert(series.to_owned(), value.parse().unwrap())
                    .is_none(),
                "{series} twice"
            );
        }
    }
    samples
}

/// The value of a series.
fn value(metrics: &Metrics, series: &str) -> f64 {
    let text = metrics.render();
    *parse(&text)
        .get(series)
        .unwrap_or_else(|| panic!("no {series} in\n{text}"))
}

#[test]
fn requests_are_counted_by_method_and_status() {
    let metrics = Metrics::new();
    let server = start(site().metrics(metrics.clone()));
    for (method, path, series, sent) in [
        ("GET", "/a", "GET\",status=\"2xx", 5),
        ("HEAD", "/a", "HEAD\",status=\"2xx", 0),
        ("GET", "/nowhere", "GET\",status=\"4xx", 19),
        ("PATCH", "/nowhere", "PATCH\",status=\"4xx", 19),
        ("BREW", "/nowhere", "other\",status=\"4xx", 19),
        ("get", "/nowhere", "other\",status=\"4xx", 19),
        ("DELETE", "/tree", "DELETE\",status=\"3xx", 0),
        ("PUT", "/panic", "PUT\",status=\"5xx", 22),
    ] {
        let series = format!("{REQUESTS}{{method=\"{series}\"}}");
        let bytes = "oxbridge_http_response_body_bytes_total";
        let (before, sent_before) = (value(&metrics, &series), value(&metrics, bytes));
        let mut client = Client::of(&server);
        client.send(format!(
            "{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        ));
        client.rest();
        eventually("the request is counted", || {
            value(&metrics, &series) > before
        });
        assert_eq!(value(&metrics, &series), before + 1.0);
        assert_eq!(
            value(&metrics, bytes),
            sent_before + f64::from(sent),
            "{series}"
        );
    }
    let samples = parse(&metrics.render());
    let total: f64 = samples
        .iter()
        .filter(|(series, _)| series.starts_with(REQUESTS))
        .map(|(_, n)| n)
        .sum();
    assert_eq!(total, 8.0);
    assert_eq!(samples[&format!("{DURATION}_count")], 8.0);
    assert_eq!(samples["oxbridge_connections_accepted_total"], 8.0);
    assert_eq!(samples["oxbridge_handler_failures_total"], 1.0);
    // What was no request has no duration.
    let mut client = Client::of(&server);
    client.send("nonsense\r\n\r\n").finish();
    client.rest();
    let other = format!("{REQUESTS}{{method=\"other\",status=\"4xx\"}}");
    eventually("the refusal is counted", || value(&metrics, &other) == 3.0);
    assert_eq!(value(&metrics, &format!("{DURATION}_count")), 8.0);
}

#[test]
fn durations_fall_into_cumulative_buckets() {
    let metrics = Metrics::new();
    let gate = Gate::new();
    let mut builder = site();
    let held = gate.clone();
    builder
        .blocking("/held", move |w, _| {
            held.pass();
            w.write(b"late")
        })
        .unwrap();
    let server = start(builder.metrics(metrics.clone()));
    let mut client = Client::of(&server);
    client.get("/held");
    gate.await_arrivals(1);
    assert_eq!(
        value(&metrics, "oxbridge_http_exchanges_in_flight{worker=\"0\"}"),
        1.0
    );
    assert_eq!(
        value(&metrics, "oxbridge_connections_open{worker=\"0\"}"),
        1.0
    );
    // At least this long, whatever the machine does meanwhile.
    std::thread::sleep(std::time::Duration::from_millis(30));
    gate.open();
    client.answer();
    eventually("it is counted", || {
        value(&metrics, &format!("{DURATION}_count")) == 1.0
    });
    let samples = parse(&metrics.render());
    let bounds = [
        "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1",
        "2.5", "5", "10", "+Inf",
    ];
    let buckets: Vec<f64> = bounds
        .iter()
        .map(|le| samples[&format!("{DURATION}_bucket{{le=\"{le}\"}}")])
        .collect();
    assert!(buckets.is_sorted(), "{buckets:?}");
    assert_eq!(buckets[..6], [0.0; 6]);
    assert_eq!(buckets[14], 1.0);
    assert!(samples[&format!("{DURATION}_sum")] >= 0.03);
    assert_eq!(
        samples["oxbridge_http_exchanges_in_flight{worker=\"0\"}"],
        0.0
    );
    drop(client);
    eventually("the connection is closed", || {
        value(&metrics, "oxbridge_connections_open{worker=\"0\"}") == 0.0
    });
}

#[test]
fn bodies_are_counted_both_ways() {
    let metrics = Metrics::new();
    let server = start(site().metrics(metrics.clone()));
    let mut client = Client::of(&server);
    client.send(format!(
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n{}",
        "x".repeat(100_000)
    ));
    assert_eq!(client.answer().body.len(), 100_000);
    client.send(
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    );
    assert_eq!(client.answer().text(), "abc");
    assert!(server.stop(PATIENCE));
    assert_eq!(
        value(&metrics, "oxbridge_http_request_body_bytes_total"),
        100_003.0
    );
    assert_eq!(
        value(&metrics, "oxbridge_http_response_body_bytes_total"),
        100_003.0
    );
}

#[test]
fn failures_and_refusals_are_counted() {
    let metrics = Metrics::new();
    let gate = Gate::new();
    let mut builder = site();
    let held = gate.clone();
    builder
        .blocking("/held", move |w, _| {
            held.pass();
            w.write(b"late")
        })
        .unwrap();
    let server = start(builder.metrics(metrics.clone()).threads(1).queue(1));
    let failures = "oxbridge_handler_failures_total";
    for (n, path) in ["/panic", "/broken", "/async-panic"]
        .into_iter()
        .enumerate()
    {
        let mut client = Client::of(&server);
        client.send(format!(
            "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        ));
        client.rest();
        eventually("the failure is counted", || {
            value(&metrics, failures) == (n + 1) as f64
        });
    }
    // A handler's own 500 is an answer.
    assert_eq!(wire::get(&server, "/own").status, 500);
    assert_eq!(value(&metrics, failures), 3.0);

    // One runs, one waits, the third is refused.
    let mut clients: Vec<_> = (0..3).map(|_| Client::of(&server)).collect();
    clients[0].get("/held");
    gate.await_arrivals(1);
    clients[1].get("/held");
    clients[2].get("/held");
    let refused = "oxbridge_http_requests_refused_total";
    eventually("one is refused", || value(&metrics, refused) == 1.0);
    gate.open();
    let mut statuses: Vec<_> = clients
        .iter_mut()
        .map(|client| client.answer().status)
        .collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 503]);
}

#[test]
fn processes_share_a_block_and_sums_never_fall() {
    let (supervisor, fd) = Metrics::create_shared(2).unwrap();
    assert_eq!(supervisor.slots(), 2);
    assert!(
        !supervisor.render().contains("worker="),
        "no worker has begun"
    );
    let ok = format!("{REQUESTS}{{method=\"GET\",status=\"2xx\"}}");
    for (n, slot) in [0, 1, 0].into_iter().enumerate() {
        let worker = Metrics::open(&fd, slot).unwrap();
        let server = start(site().metrics(worker.clone()));
        assert_eq!(wire::get(&server, "/a").status, 200);
        assert!(server.stop(PATIENCE));
        assert_eq!(value(&supervisor, &ok), (n + 1) as f64);
        assert_eq!(value(&worker, &ok), (n + 1) as f64, "each renders all");
        let pid = format!("oxbridge_worker_pid{{worker=\"{slot}\"}}");
        assert_eq!(value(&supervisor, &pid), f64::from(std::process::id()));
        assert!(
            value(
                &supervisor,
                &format!("oxbridge_worker_start_time_seconds{{worker=\"{slot}\"}}")
            ) > 1.6e9
        );
        supervisor.retire_slot(slot).unwrap();
        assert_eq!(value(&supervisor, &ok), (n + 1) as f64, "the sum stays");
        assert!(!supervisor.render().contains(&pid));
    }
    // Retiring while others count and render: nothing is lost, nothing falls.
    let worker = Metrics::open(&fd, 1).unwrap();
    let opened = "oxbridge_websocket_connections_total";
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..2000 {
                drop(worker.websocket_opened());
            }
        });
        scope.spawn(|| {
            let mut last = 0.0;
            while last < 2000.0 {
                let now = value(&supervisor, opened);
                assert!(now >= last, "{now} after {last}");
                last = now;
            }
        });
        for _ in 0..200 {
            supervisor.retire_slot(1).unwrap();
        }
    });
    assert_eq!(value(&supervisor, opened), 2000.0);
}

#[test]
fn websockets_are_open_until_they_are_not() {
    let metrics = Metrics::new();
    let open = "oxbridge_websocket_connections_open{worker=\"0\"}";
    let guard = metrics.websocket_opened();
    assert_eq!(value(&metrics, open), 1.0);
    drop(guard);
    assert_eq!(value(&metrics, open), 0.0);
    assert_eq!(value(&metrics, "oxbridge_websocket_connections_total"), 1.0);
}

#[test]
fn what_is_no_block_of_metrics_is_refused() {
    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
    let (metrics, fd) = Metrics::create_shared(1).unwrap();
    for slot in [1, usize::MAX] {
        let error = Metrics::open(&fd, slot).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert_eq!(
            error.to_string(),
            format!("there is no slot {slot}: the metrics have 1, counted from 0")
        );
        assert_eq!(
            metrics.retire_slot(slot).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
    }
    assert_eq!(
        Metrics::create_shared(70_000).unwrap_err().kind(),
        io::ErrorKind::InvalidInput
    );
    let block = rustix::fs::fstat(&fd).unwrap().st_size as u64;
    let memory = |size: u64, seals: SealFlags| {
        let fd = memfd_create("test", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        ftruncate(&fd, size).unwrap();
        fcntl_add_seals(&fd, seals).unwrap();
        fd
    };
    let (reader, _writer) = io::pipe().unwrap();
    for (what, fd) in [
        ("no memory at all", reader.into()),
        ("it may shrink", memory(block, SealFlags::GROW)),
        ("empty", memory(0, SealFlags::SHRINK)),
        ("too short", memory(100, SealFlags::SHRINK)),
        ("too long", memory(1 << 40, SealFlags::SHRINK)),
        ("nobody has written it", memory(block, SealFlags::SHRINK)),
    ] {
        let error = Metrics::open(&fd, 0).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{what}: {error}");
    }
}

fn site() -> Builder {
    let mut builder = Server::builder();
    builder.route("/a", |_: Request| async { "hello" }).unwrap();
    builder
        .route("/tree/", |_: Request| async { "tree" })
        .unwrap();
    builder
        .route("/own", |_: Request| async {
            http::StatusCode::INTERNAL_SERVER_ERROR
        })
        .unwrap();
    builder
        .route("/async-panic", |_: Request| async {
            if true {
                panic!("as asked")
            }
            ""
        })
        .unwrap();
    builder
        .blocking("/panic", |_, _| panic!("as asked"))
        .unwrap();
    builder
        .blocking("/broken", |w, _| {
            w.write(b"half")?;
            w.flush()?;
            w.abort();
            Ok(())
        })
        .unwrap();
    builder
        .blocking("/echo", |w, r| {
            let body = r.body_mut().read_all_blocking().unwrap();
            w.write(&body)
        })
        .unwrap();
    builder
}

fn start(builder: Builder) -> Server {
    builder
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap()
}
