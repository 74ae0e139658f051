//! Calling Python functions: what goes in, what comes out, what each mistake looks like.

mod workers;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use oxbridge_embed::{Body, Error, ErrorKind, Python, Request, Values};
use workers::{ask, body, module, post};

#[test]
fn the_original_worker_runs_unchanged() {
    // As it has always been written: no annotations, a global count, a sleep that a header asks for.
    let source = "import time\ncount = 0\n\
        def go_init():\n    return {'/': ['GET'], '/ping': ['GET', 'HEAD'], '/hello/:target': ['GET', 'POST']}\n\
        def go_request(method, path, params, query, headers, body):\n\
        \x20   global count\n\
        \x20   count += 1\n\
        \x20   if 'X-Sleep' in headers: time.sleep(float(headers['X-Sleep'][0]))\n\
        \x20   return 200, 'request #%d' % count, {'X-Test': ['1']}\n";
    let python = module("worker", source)
        .init("worker", "go_init")
        .request("worker", "go_request")
        .start()
        .unwrap();
    let routes: Vec<_> = python
        .routes()
        .iter()
        .map(|(route, methods)| (route.as_str(), methods.join(" ")))
        .collect();
    assert_eq!(
        routes,
        [
            ("/", "GET".to_owned()),
            ("/ping", "GET HEAD".to_owned()),
            ("/hello/:target", "GET POST".to_owned())
        ]
    );
    for number in 1..=3 {
        let mut request = post(b"");
        request
            .headers
            .insert("x-sleep", HeaderValue::from_static("0.01"));
        let begun = std::time::Instant::now();
        let response = python.request_blocking(request).unwrap();
        assert!(begun.elapsed().as_millis() >= 10);
        assert_eq!(response.status, 200);
        assert_eq!(response.body, format!("request #{number}"));
        assert_eq!(response.headers["x-test"], "1");
    }
}

#[test]
fn arguments_are_text_and_dictionaries_of_lists() {
    let python = body(
        "arguments",
        "import json\n\
         assert all(type(x) is str for x in (method, path, body))\n\
         for d in params, query, headers:\n\
         \x20   assert type(d) is dict and all(type(k) is str and type(v) is list and all(type(x) is str for x in v) for k, v in d.items())\n\
         return 200, json.dumps([method, path, params, query, headers, body]), {}",
    )
    .start()
    .unwrap();
    let mut headers = HeaderMap::new();
    headers.append("accept-language", HeaderValue::from_static("nl"));
    headers.append("x-one", HeaderValue::from_static("1"));
    headers.append("accept-language", HeaderValue::from_static("en"));
    headers.append(
        "content-type",
        HeaderValue::from_bytes("text/é".as_bytes()).unwrap(),
    );
    let response = python
        .request_blocking(Request {
            method: Method::from_bytes(b"PURGE").unwrap(),
            path: "/a/b".into(),
            params: Values::from_iter([("target", "world")]),
            query: Values::parse("x=1&y=&x=2+3"),
            headers,
            body: "tëxt".into(),
        })
        .unwrap();
    let text = std::str::from_utf8(&response.body).unwrap();
    let expected = r#"["PURGE", "/a/b", {"target": ["world"]}, {"x": ["1", "2 3"], "y": [""]}, {"Accept-Language": ["nl", "en"], "X-One": ["1"], "Content-Type": ["text/\u00e9"]}, "t\u00ebxt"]"#;
    assert_eq!(text, expected);
}

#[test]
fn every_byte_survives_both_ways() {
    let every: &'static [u8] = Box::leak((0..=255).collect::<Vec<u8>>().into_boxed_slice());
    let source = "return 200, body, {'X-Back': headers['X-Bytes'], 'X-Query': query['q'][0]}";
    let text = body(
        "bytes_as_text",
        &format!("assert type(body) is str\n{source}"),
    );
    let bytes = body(
        "bytes_as_bytes",
        &format!("assert type(body) is bytes\n{source}"),
    );
    for python in [
        text.start().unwrap(),
        bytes.body(Body::Bytes).start().unwrap(),
    ] {
        for content in [
            every,
            b"",
            b"a\0b",
            b"\xff\xfe",
            "héllo \u{10ffff}".as_bytes(),
        ] {
            let value = HeaderValue::from_bytes(b"\xff caf\xc3\xa9 \xe9").unwrap();
            let mut request = post(content);
            request.headers.insert("x-bytes", value.clone());
            request.query = Values::parse("q=%FF%00x".replace("%00", "").as_str());
            let response = python.request_blocking(request).unwrap();
            assert_eq!(&response.body[..], content);
            assert_eq!(response.headers["x-back"], value);
            assert_eq!(response.headers["x-query"].as_bytes(), b"\xffx");
        }
    }
}

#[test]
fn bodies_may_be_any_bytes() {
    let python = body(
        "kinds_of_bodies",
        "kinds = {'str': 'a\\0ü', 'bytes': b'a\\0\\xff', 'bytearray': bytearray(b'abc'), \
         'memoryview': memoryview(b'abc')[1:], 'large': b'x' * (3 << 20), 'strided': memoryview(b'abcd')[::2]}\n\
         return 200, kinds[path], {'X-One': 'a str will do', 'X-Two': ('a', 'b'), 'X-Three': []}",
    )
    .start()
    .unwrap();
    for (kind, expected) in [
        ("str", "a\0ü".as_bytes().to_vec()),
        ("bytes", b"a\0\xff".to_vec()),
        ("bytearray", b"abc".to_vec()),
        ("memoryview", b"bc".to_vec()),
        ("strided", b"ac".to_vec()),
        ("large", vec![b'x'; 3 << 20]),
    ] {
        let request = Request {
            path: kind.into(),
            ..Request::default()
        };
        let response = python.request_blocking(request).unwrap();
        assert_eq!(response.body, expected, "{kind}");
        assert_eq!(response.headers["x-one"], "a str will do");
        assert_eq!(response.headers.get_all("x-two").iter().count(), 2);
        assert!(!response.headers.contains_key("x-three"));
    }
}

#[test]
fn header_dictionaries_of_a_module_are_left_alone() {
    let python = module(
        "module_headers",
        "import sys, gc\n\
         HEADERS = {'X-Test': ['a value of its own'], 'Content-Type': ['text/plain']}\n\
         first = None\n\
         def answer(method, path, params, query, headers, body):\n\
         \x20   global first\n\
         \x20   now = sys.getrefcount(HEADERS), sys.getrefcount(HEADERS['X-Test']), sys.getrefcount(HEADERS['X-Test'][0])\n\
         \x20   first = first or now\n\
         \x20   return 200, str(now == first), HEADERS\n",
    )
    .start()
    .unwrap();
    for _ in 0..500 {
        let response = ask(&python).unwrap();
        assert_eq!(response.body, "True");
        assert_eq!(response.headers.len(), 2);
    }
}

#[test]
fn wrong_answers_say_what_came_instead_of_what() {
    let python = body("wrong", "return eval(body)").start().unwrap();
    const SHAPE: &str = "expected (status: int, body: str | bytes, headers: dict[str, list[str]])";
    for (returned, message) in [
        ("None", format!("{SHAPE}, got None")),
        ("200", format!("{SHAPE}, got int")),
        ("(200, '')", format!("{SHAPE}, got a 2-tuple")),
        ("(200, '', {}, 1)", format!("{SHAPE}, got a 4-tuple")),
        ("[200, '', {}]", format!("{SHAPE}, got list")),
        ("('abc', '', {})", "status must be an int from 200 to 599, got 'abc' (str)".into()),
        ("(99, '', {})", "status must be an int from 200 to 599, got 99 (int)".into()),
        ("(600, '', {})", "status must be an int from 200 to 599, got 600 (int)".into()),
        ("(-1, '', {})", "status must be an int from 200 to 599, got -1 (int)".into()),
        ("(2**70, '', {})", "status must be an int from 200 to 599, got 1180591620717411303424 (int)".into()),
        ("(True, '', {})", "status must be an int from 200 to 599, got True (bool)".into()),
        ("(200.0, '', {})", "status must be an int from 200 to 599, got 200.0 (float)".into()),
        ("(200, None, {})", "body must be str, bytes or another buffer of bytes, got None".into()),
        ("(200, ['a'], {})", "body must be str, bytes or another buffer of bytes, got list".into()),
        ("(200, __import__('array').array('d', [1.0]), {})", "body must be str, bytes or another buffer of bytes, got array".into()),
        ("(200, '\\ud800', {})", "body has a lone surrogate that stands for no byte, so it is no text".into()),
        ("(200, '', None)", "headers must be a dict[str, list[str]], got None".into()),
        ("(200, '', [('A', 'b')])", "headers must be a dict[str, list[str]], got list".into()),
        ("(200, '', {1: ['a']})", "a key of headers must be a str, got 1 (int)".into()),
        ("(200, '', {'X': ['a', 1]})", "headers['X'][1] must be a str, got int".into()),
        ("(200, '', {'X': 1})", "headers['X'] must be a list of str or a str, got int".into()),
        ("(200, '', {'X': [None]})", "headers['X'][0] must be a str, got None".into()),
        ("(200, '', {'A b': ['c']})", "'A b' is no name of a header field (RFC 9110, section 5.1: a token)".into()),
        ("(200, '', {'': ['c']})", "'' is no name of a header field (RFC 9110, section 5.1: a token)".into()),
        ("(200, '', {'X': ['a\\r\\nB: c']})", r"headers['X'][0] has a control character, or a surrogate that stands for no byte (RFC 9110, section 5.5): 'a\r\nB: c'".into()),
        ("(200, '', {'X': 'a\\0'})", r"headers['X'] has a control character, or a surrogate that stands for no byte (RFC 9110, section 5.5): 'a\x00'".into()),
        ("(200, '', {'Transfer-Encoding': ['chunked']})", "headers['Transfer-Encoding'] belongs to the connection, which is the server's (RFC 9110, section 7.6.1)".into()),
        ("(200, 'abc', {'Content-Length': ['4']})", "Content-Length is \"4\", and the body has 3 bytes".into()),
    ] {
        let e = python.request_blocking(post(returned.as_bytes().to_vec().leak())).unwrap_err();
        assert_eq!(e, Error::Answer(message), "{returned}");
        assert_eq!(e.kind(), ErrorKind::Answer);
    }
    // And what is right goes on.
    for right in [
        "(200, '', {})",
        "(599, b'', {'Content-Length': '0'})",
        "(__import__('http').HTTPStatus.OK, '', {})",
    ] {
        python.request_blocking(post(right.as_bytes())).unwrap();
    }
    let head = Request {
        method: Method::HEAD,
        ..post(b"(200, '', {'Content-Length': '42'})")
    };
    assert_eq!(
        python.request_blocking(head).unwrap().headers["content-length"],
        "42"
    );
}

#[test]
fn more_header_fields_than_a_message_can_have_are_an_error() {
    let python = body(
        "many_fields",
        "return 200, '', {f'X-{n}': 'v' for n in range(40_000)}",
    )
    .start()
    .unwrap();
    assert!(matches!(ask(&python), Err(Error::Answer(_))));
}

#[test]
fn exceptions_arrive_as_errors_with_their_traceback() {
    let python = module(
        "raising",
        "class Refused(Exception): pass\n\
         class Mute(Exception):\n    def __str__(self): raise ValueError\n\
         def answer(method, path, params, query, headers, body):\n    return inner(body)\n\
         def inner(code):\n    exec(code)\n",
    )
    .start()
    .unwrap();
    for (code, name, said) in [
        ("raise ValueError('so')", "ValueError", "so"),
        ("raise Refused('no', 7)", "raising.Refused", "('no', 7)"),
        ("raise SystemExit(3)", "SystemExit", "3"),
        ("import sys; sys.exit()", "SystemExit", ""),
        ("raise KeyboardInterrupt", "KeyboardInterrupt", ""),
        ("raise GeneratorExit", "GeneratorExit", ""),
        ("raise Mute", "raising.Mute", "its __str__ fails"),
        (
            "raise ValueError('a\\0\\udc80')",
            "ValueError",
            "a\0\u{fffd}",
        ),
        (
            "(lambda f: f(f))(lambda f: f(f))",
            "RecursionError",
            "maximum recursion depth exceeded",
        ),
    ] {
        let e = python.request_blocking(post(code.as_bytes())).unwrap_err();
        let Error::Python {
            exception,
            message,
            traceback,
        } = &e
        else {
            panic!("{code}: {e:?}");
        };
        assert_eq!(exception, name, "{code}");
        assert!(message.starts_with(said), "{code}: {message}");
        assert!(
            traceback.starts_with("Traceback (most recent call last):\n"),
            "{traceback}"
        );
        assert!(traceback.contains("in inner"), "{traceback}");
        assert_eq!(e.kind(), ErrorKind::Python);
    }
    python.request_blocking(post(b"pass")).unwrap_err();
}

#[test]
fn what_does_not_start_says_why() {
    let fails = |builder: oxbridge_embed::Builder| builder.start().unwrap_err();
    assert!(matches!(fails(Python::builder()), Error::Setting(_)));
    let e = fails(Python::builder().request("no_such_module_here", "f"));
    assert!(
        matches!(&e, Error::Python { exception, message, .. }
        if exception == "ModuleNotFoundError" && message == "No module named 'no_such_module_here'"),
        "{e:?}"
    );
    let e = fails(module("no_function", "x = 1"));
    assert_eq!(e.to_string(), "the module no_function has no answer");
    assert_eq!(e.kind(), ErrorKind::Missing);
    let e = fails(module("not_callable", "answer = 7"));
    assert_eq!(
        e.to_string(),
        "not_callable.answer cannot be called: it is of type int"
    );
    let e = fails(module("broken", "def answer(:\n"));
    assert!(
        matches!(&e, Error::Python { exception, traceback, .. }
        if exception == "SyntaxError" && traceback.contains("broken.py")),
        "{e:?}"
    );
    let e = fails(module("exits", "raise SystemExit('not today')"));
    assert!(
        matches!(&e, Error::Python { exception, .. } if exception == "SystemExit"),
        "{e:?}"
    );
    let e = fails(
        Python::builder()
            .request("os", "path.join")
            .venv("/no/such"),
    );
    assert!(matches!(e, Error::Interpreter(_)), "{e:?}");
    let e = fails(module("nul", "def answer(*a): return 200, '', {}").request("a\0b", "f"));
    assert!(matches!(e, Error::Python { .. }), "{e:?}");
}

#[test]
fn what_the_function_for_the_start_returns_is_checked() {
    let source = "def answer(*a): return 200, '', {}\n\
        def none(): pass\n\
        def key(): return {1: []}\n\
        def value(): return {'/': 'GET'}\n\
        def item(): return {'/': ['GET', 1]}\n\
        def raising(): raise LookupError('early')\n\
        def right(): return {'b': ['x'], 'a': [], 'c': ('y', 'z')}\n";
    let start = |init: &str| module("inits", source).init("inits", init).start();
    for (init, message) in [
        (
            "none",
            "inits.none must return a dict[str, list[str]], got None",
        ),
        (
            "key",
            "inits.key must return a dict[str, list[str]], got the key 1 (int)",
        ),
        (
            "value",
            "routes[\"/\"] of inits.value must be a list of str, got str",
        ),
        (
            "item",
            "routes[\"/\"][1] of inits.item must be a str, got int",
        ),
        ("raising", "LookupError: early"),
        ("missing", "the module inits has no missing"),
    ] {
        assert_eq!(start(init).unwrap_err().to_string(), message);
    }
    let python = start("right").unwrap();
    let routes: Vec<_> = python
        .routes()
        .iter()
        .map(|(name, list)| (&name[..], list.len()))
        .collect();
    assert_eq!(routes, [("b", 1), ("a", 0), ("c", 2)]);
}

#[test]
fn a_function_is_started_once_at_a_time() {
    let source = "starts = 0\ndef init():\n    global starts\n    starts += 1\n    return {}\n\
        def answer(*a): return 200, str(starts), {}\ndef other(*a): return 200, 'other', {}\n";
    let builder = || module("once", source).init("once", "init");
    let python = builder().start().unwrap();
    let e = builder().start().unwrap_err();
    assert_eq!(
        e.to_string(),
        "once.answer has been started already, and not been stopped"
    );
    let e = builder().request("once", "other").start().unwrap_err();
    assert_eq!(
        e,
        Error::AlreadyStarted {
            function: "once.init".into()
        }
    );
    assert_eq!(
        ask(&python).unwrap().body,
        "1",
        "the second start called nothing"
    );
    // Another function of the module is another matter.
    let other = module("once", source)
        .request("once", "other")
        .start()
        .unwrap();
    assert_eq!(ask(&other).unwrap().body, "other");
    assert!(python.stop(workers::PATIENCE));
    assert_eq!(ask(&builder().start().unwrap()).unwrap().body, "2");
}

#[test]
fn thread_locals_last_and_contexts_do_not() {
    let python = module(
        "locals_and_contexts",
        "import threading, contextvars\n\
         here = threading.local()\n\
         var = contextvars.ContextVar('var')\n\
         def answer(*a):\n\
         \x20   here.n = getattr(here, 'n', 0) + 1\n\
         \x20   seen = var.get('unset')\n\
         \x20   var.set('set')\n\
         \x20   return 200, f'{here.n} {seen} {threading.current_thread() is threading.current_thread()}', {}\n",
    )
    .threads(1)
    .start()
    .unwrap();
    for n in 1..=20 {
        assert_eq!(ask(&python).unwrap().body, format!("{n} unset True"));
    }
}

#[test]
fn a_program_may_call_from_inside_python() {
    let python = body("inside", "return 200, body, {}").start().unwrap();
    use oxbridge_embed::pyo3::Python as Gil;
    let response = Gil::attach(|_| python.request_blocking(post(b"from inside"))).unwrap();
    assert_eq!(response.body, "from inside");
}

#[test]
fn an_answer_is_what_a_server_sends() {
    let python = body("as_http", "return 418, 'tea', {'X-A': ['1', '2']}")
        .start()
        .unwrap();
    let response: http::Response<bytes::Bytes> = ask(&python).unwrap().into();
    assert_eq!(response.status(), 418);
    assert_eq!(
        response
            .headers()
            .get_all(HeaderName::from_static("x-a"))
            .iter()
            .count(),
        2
    );
    assert_eq!(response.body(), "tea");
}
