//! Starting Python: once, with an environment, with the package on board; and its end.

mod alone;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use alone::{alone, alone_with};
use oxbridge_embed::pyo3::prelude::*;
use oxbridge_embed::{Interpreter, InterpreterError};

/// What an expression is, as text.
fn eval(expression: &str) -> String {
    let code = std::ffi::CString::new(format!("str({expression})")).unwrap();
    Python::attach(|py| {
        let value = py.eval(&code, None, None).unwrap();
        value.extract().unwrap()
    })
}

fn run(code: &str) {
    let code = std::ffi::CString::new(code).unwrap();
    Python::attach(|py| py.run(&code, None, None)).unwrap();
}

/// A directory of this test's own, made anew.
fn scratch(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).unwrap();
    directory.canonicalize().unwrap()
}

/// An environment as `python -m venv` makes it, with a module `only_here`.
fn venv(name: &str) -> PathBuf {
    let directory = scratch(name);
    let made = Command::new(env!("OXBRIDGE_EMBED_PYTHON"))
        .args(["-m", "venv", "--without-pip"])
        .arg(&directory)
        .status()
        .unwrap();
    assert!(made.success());
    std::fs::write(site_packages(&directory).join("only_here.py"), "").unwrap();
    directory
}

fn site_packages(venv: &Path) -> PathBuf {
    let mut versions = std::fs::read_dir(venv.join("lib")).unwrap();
    versions
        .next()
        .unwrap()
        .unwrap()
        .path()
        .join("site-packages")
}

#[test]
fn it_starts_once_and_is_joined() {
    alone("it_starts_once_and_is_joined", || {
        Interpreter::new().start().unwrap();
        Interpreter::new().start().unwrap();
        let threads: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(|| Interpreter::new().start()))
            .collect();
        for thread in threads {
            thread.join().unwrap().unwrap();
        }
        assert_eq!(eval("6 * 7"), "42");
        assert_eq!(
            eval(
                "__import__('threading').main_thread() is __import__('threading').current_thread()"
            ),
            "False"
        );
    });
}

#[test]
fn many_threads_may_start_it_at_once() {
    alone("many_threads_may_start_it_at_once", || {
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    Interpreter::new().start().unwrap();
                    assert_eq!(eval("1 + 1"), "2");
                });
            }
        });
    });
}

#[test]
fn other_settings_than_the_running_ones_are_an_error() {
    alone("other_settings_than_the_running_ones_are_an_error", || {
        Interpreter::new().argv(["one"]).start().unwrap();
        Interpreter::new().argv(["one"]).start().unwrap();
        let e = Interpreter::new().argv(["two"]).start().unwrap_err();
        assert_eq!(
            e.to_string(),
            r#"Python runs already, with argv ["one"]; asked for argv ["two"]"#
        );
        let e = Interpreter::new().venv("/nowhere").start().unwrap_err();
        assert!(
            matches!(
                e,
                InterpreterError::Differs {
                    setting: "venv",
                    ..
                }
            ),
            "{e}"
        );
        let e = Interpreter::new().isolated(true).start().unwrap_err();
        assert!(
            matches!(
                e,
                InterpreterError::Differs {
                    setting: "isolated",
                    ..
                }
            ),
            "{e}"
        );
    });
}

#[test]
fn an_interpreter_that_the_program_has_initialized_is_joined() {
    alone(
        "an_interpreter_that_the_program_has_initialized_is_joined",
        || {
            Python::initialize();
            let e = Interpreter::new().argv(["x"]).start().unwrap_err();
            assert!(
                matches!(
                    e,
                    InterpreterError::Differs {
                        setting: "argv",
                        ..
                    }
                ),
                "{e}"
            );
            Interpreter::new().start().unwrap();
            run("import oxbridge, oxbridge._oxbridge; oxbridge.Mux()");
            // Its end is its owner's.
            assert!(Interpreter::finish(Duration::from_secs(5)));
            Interpreter::new().start().unwrap();
            assert_eq!(eval("1"), "1");
        },
    );
}

#[test]
fn a_package_that_was_imported_before_is_reported() {
    alone("a_package_that_was_imported_before_is_reported", || {
        Python::initialize();
        run(
            "import sys, types; sys.modules['oxbridge'] = types.ModuleType('oxbridge'); \
             sys.modules['oxbridge'].__file__ = '/elsewhere/oxbridge/__init__.py'",
        );
        let e = Interpreter::new().start().unwrap_err();
        assert_eq!(
            e,
            InterpreterError::Shadowed("/elsewhere/oxbridge/__init__.py".to_owned())
        );
    });
}

#[test]
fn the_package_is_on_board_with_its_sources() {
    let installed = scratch("installed");
    std::fs::create_dir(installed.join("oxbridge")).unwrap();
    std::fs::write(
        installed.join("oxbridge/__init__.py"),
        "raise ImportError('not this one')",
    )
    .unwrap();
    let output = alone_with(
        "the_package_is_on_board_with_its_sources",
        |_| {},
        || {
            // One that is installed does not matter.
            Interpreter::new().path(installed).start().unwrap();
            run("import oxbridge, inspect, traceback, sys\n\
             from oxbridge import route, server, _cli\n\
             assert oxbridge.__file__ == '<oxbridge-embed>/oxbridge/__init__.py', oxbridge.__file__\n\
             assert oxbridge._oxbridge.__name__ == 'oxbridge._oxbridge'\n\
             assert 'class Server' in inspect.getsource(server.Server)\n\
             import oxbridge._cli.command, oxbridge.contrib.django\n\
             try:\n    server.Server(42, 43, 44, 45)\nexcept Exception as e: pass\n\
             try:\n    import oxbridge.no_such\nexcept ModuleNotFoundError as e: assert e.name == 'oxbridge.no_such'\n\
             else: assert False\n\
             try:\n    oxbridge.testing\nexcept AttributeError: text = traceback.format_exc()\n\
             assert 'raise AttributeError' in text, text\n");
            assert_eq!(
                eval("__import__('oxbridge').__version__"),
                env!("CARGO_PKG_VERSION")
            );
        },
    );
    assert!(output.status.success());
}

#[test]
fn a_server_of_the_package_serves() {
    alone("a_server_of_the_package_serves", || {
        Interpreter::new().start().unwrap();
        run("import urllib.request\n\
             from oxbridge import Mux, testing\n\
             mux = Mux()\n\
             @mux.route('GET /')\n\
             def hello(w, req):\n    w.write('from within')\n\
             with testing.serve(mux) as served:\n\
             \x20   assert urllib.request.urlopen(served.url).read() == b'from within'\n");
    });
}

#[test]
fn a_virtual_environment_is_used() {
    let directory = venv("venv");
    alone("a_virtual_environment_is_used", || {
        Interpreter::new().venv(&directory).start().unwrap();
        run("import only_here");
        assert_eq!(Path::new(&eval("__import__('sys').prefix")), directory);
        assert_eq!(
            Path::new(&eval("__import__('sys').executable")),
            directory.join("bin/python")
        );
        assert_ne!(
            eval("__import__('sys').base_prefix"),
            eval("__import__('sys').prefix")
        );
        Interpreter::new().venv(&directory).start().unwrap();
    });
}

#[test]
fn the_active_virtual_environment_is_used_unless_isolated() {
    let directory = venv("active");
    let active = |command: &mut Command| {
        command
            .env("VIRTUAL_ENV", &directory)
            .env("PYTHONPATH", "/from/pythonpath");
    };
    let output = alone_with(
        "the_active_virtual_environment_is_used_unless_isolated",
        active,
        || {
            Interpreter::new().start().unwrap();
            run("import sys, only_here; assert '/from/pythonpath' in sys.path");
        },
    );
    assert!(output.status.success());
}

#[test]
fn an_isolated_interpreter_does_not_look_at_the_environment() {
    let directory = venv("not_active");
    let active = |command: &mut Command| {
        command
            .env("VIRTUAL_ENV", &directory)
            .env("PYTHONPATH", "/from/pythonpath");
    };
    let output = alone_with(
        "an_isolated_interpreter_does_not_look_at_the_environment",
        active,
        || {
            Interpreter::new().isolated(true).start().unwrap();
            run(
                "import sys; assert '/from/pythonpath' not in sys.path; assert sys.prefix == sys.base_prefix",
            );
        },
    );
    assert!(output.status.success());
}

#[test]
fn what_is_no_environment_or_another_version_s_is_a_clear_error() {
    let none = scratch("none");
    let other = venv("other");
    let settings = other.join("pyvenv.cfg");
    let text = std::fs::read_to_string(&settings).unwrap();
    let changed: String = text
        .lines()
        .map(|line| {
            if line.starts_with("version") {
                "version = 3.2.1\n".to_owned()
            } else {
                format!("{line}\n")
            }
        })
        .collect();
    std::fs::write(&settings, changed).unwrap();
    let active = |command: &mut Command| {
        command.env("VIRTUAL_ENV", &other);
    };
    let name = "what_is_no_environment_or_another_version_s_is_a_clear_error";
    let output = alone_with(name, active, || {
        let e = Interpreter::new().venv("/no/such").start().unwrap_err();
        assert!(
            e.to_string()
                .starts_with("/no/such is no virtual environment: cannot read /no/such/pyvenv.cfg"),
            "{e}"
        );
        let e = Interpreter::new().venv(&none).start().unwrap_err();
        assert!(matches!(e, InterpreterError::NotAVenv { .. }), "{e}");
        // By the variable: it says which.
        let e = Interpreter::new().start().unwrap_err();
        assert!(
            matches!(&e, InterpreterError::VenvVersion { path, found, .. } if *path == other && found == "3.2"),
            "{e}"
        );
        let e = Interpreter::new()
            .isolated(true)
            .argv(["a\0b"])
            .start()
            .unwrap_err();
        assert_eq!(e, InterpreterError::Nul { setting: "argv" });
        // Nothing has been started, so the next one may.
        Interpreter::new().isolated(true).start().unwrap();
    });
    assert!(output.status.success());
}

#[test]
fn paths_come_first_and_once() {
    let modules = scratch("modules");
    std::fs::write(modules.join("json.py"), "mine = True").unwrap();
    alone("paths_come_first_and_once", || {
        Interpreter::new().path(&modules).start().unwrap();
        Interpreter::new()
            .path(&modules)
            .path("/later")
            .start()
            .unwrap();
        run(
            "import sys, json; assert hasattr(json, 'mine'), (json.__file__, sys.path); assert sys.path[0] == '/later', sys.path",
        );
        let times = format!(
            "__import__('sys').path.count({:?})",
            modules.to_str().unwrap()
        );
        assert_eq!(eval(&times), "1");
        assert_eq!(eval("'' in __import__('sys').path"), "False");
    });
}

#[test]
fn signals_and_text_are_the_program_s() {
    let plain = |command: &mut Command| {
        command.env("LC_ALL", "C");
    };
    let output = alone_with("signals_and_text_are_the_program_s", plain, || {
        Interpreter::new().start().unwrap();
        run("import signal, os\n\
             assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL, signal.getsignal(signal.SIGINT)\n\
             assert signal.getsignal(signal.SIGPIPE) == signal.SIG_IGN  # Rust's own\n\
             import asyncio, subprocess\n\
             mask = next(l for l in open('/proc/self/status') if l.startswith('SigCgt'))\n\
             assert int(mask.split()[1], 16) & (1 << signal.SIGINT - 1) == 0, mask\n\
             assert os.fsencode('é') == 'é'.encode()\n\
             assert open(os.devnull).encoding == 'utf-8'\n");
    });
    assert!(output.status.success());
}

#[test]
fn a_program_that_exits_calls_what_atexit_holds() {
    let output = alone_with(
        "a_program_that_exits_calls_what_atexit_holds",
        |_| {},
        || {
            Interpreter::new().start().unwrap();
            run("import atexit, threading, sys\n\
             atexit.register(lambda: print('atexit ran in', threading.current_thread().name))\n\
             threading.Thread(target=lambda: (threading.Event().wait(0.2), print('thread ended')), daemon=False).start()\n\
             sys.stdout.write('no newline yet ')\n");
        },
    );
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    let thread = text
        .find("thread ended")
        .expect("the thread was waited for");
    let atexit = text.find("atexit ran in MainThread").expect("atexit ran");
    assert!(thread < atexit, "{text}");
}

#[test]
fn an_exit_waits_for_a_thread_that_does_not_end_no_longer_than_it_says() {
    let name = "an_exit_waits_for_a_thread_that_does_not_end_no_longer_than_it_says";
    let output = alone_with(
        name,
        |_| {},
        || {
            Interpreter::new().start().unwrap();
            run(
                "import threading; threading.Thread(target=threading.Event().wait, daemon=False).start()",
            );
            assert!(!Interpreter::finish(Duration::from_millis(50)));
        },
    );
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn after_the_end_a_start_is_an_error() {
    let output = alone_with(
        "after_the_end_a_start_is_an_error",
        |_| {},
        || {
            Interpreter::new().start().unwrap();
            run("import atexit; atexit.register(print, 'once')");
            assert!(Interpreter::finish(Duration::from_secs(5)));
            assert!(Interpreter::finish(Duration::from_secs(5)));
            assert_eq!(Interpreter::new().start(), Err(InterpreterError::Finished));
        },
    );
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        String::from_utf8(output.stdout)
            .unwrap()
            .matches("once\n")
            .count(),
        1
    );
}

#[test]
fn an_exit_inside_a_call_from_python_does_not_hang() {
    let name = "an_exit_inside_a_call_from_python_does_not_hang";
    let output = alone_with(
        name,
        |_| {},
        || {
            Interpreter::new().start().unwrap();
            run("import atexit; atexit.register(print, 'atexit ran')");
            Python::attach(|_| std::process::exit(3));
        },
    );
    assert_eq!(output.status.code(), Some(3));
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("atexit ran")
    );
}

#[test]
fn a_fork_cannot_start_it_and_exits() {
    let output = alone_with(
        "a_fork_cannot_start_it_and_exits",
        |_| {},
        || {
            Interpreter::new().start().unwrap();
            run("import atexit; atexit.register(print, 'atexit ran')");
            // SAFETY: the child calls nothing that another thread of the parent may hold a lock of: `start`
            // looks at its own state, which no other thread uses here, and `exit` is what is tested.
            let child = unsafe { libc::fork() };
            if child == 0 {
                let is_refused = Interpreter::new().start() == Err(InterpreterError::Forked);
                std::process::exit(if is_refused { 7 } else { 8 });
            }
            let mut status = 0;
            // SAFETY: the child is this process's own.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            assert_eq!(libc::WEXITSTATUS(status), 7);
        },
    );
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        String::from_utf8(output.stdout)
            .unwrap()
            .matches("atexit ran")
            .count(),
        1
    );
}
