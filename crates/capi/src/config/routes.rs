//! Who answers which requests.

use std::ffi::{c_char, c_void};
use std::path::PathBuf;
use std::sync::Arc;

use oxbridge::files::serve_dir;
use oxbridge::mux::{Pattern, RegisterError};
use oxbridge::{Builder, Exchange, Server};

use crate::config::oxb_config;
use crate::entry::explained;
use crate::exchange::{admit, enter_callback, finish, oxb_exchange, turn_away};
use crate::fail::{Fail, oxb_error};
use crate::site::Site;
use crate::status::oxb_status::{self, *};
use crate::text::text;
use crate::user::{UserData, oxb_drop};

/// Answers an exchange; see `oxb_config_handle`. `user_data` is what was given with it. It must not unwind
/// (no C++ exception, no longjmp) into the library.
pub type oxb_handler = Option<extern "C" fn(exchange: oxb_exchange, user_data: *mut c_void)>;

/// What a pattern leads to.
pub(crate) enum Route {
    Blocking(Callback),
    Inline(Callback),
    Queue(UserData),
    Directory(PathBuf),
}

/// A function of the caller's.
pub(crate) struct Callback {
    function: extern "C" fn(oxb_exchange, *mut c_void),
    user: UserData,
}

impl Callback {
    /// Answers an exchange, or lets the callback defer it.
    fn call(&self, exchange: Exchange, site: &Arc<Site>) {
        let Some(handle) = admit(exchange, site) else {
            return;
        };
        let calling = enter_callback(handle);
        (self.function)(handle, self.user.get());
        let deferred = calling.deferred();
        drop(calling);
        if site.is_ours().is_err() {
            // A child that was forked inside the callback: on the way back it would go on with its
            // parent's connections.
            std::process::abort();
        }
        if !deferred {
            finish(handle);
        }
    }
}

/// What runs for a pattern's requests, and where.
enum Handler {
    /// On a thread that may block.
    Blocking(Run),
    /// Inside the event loop.
    Inline(Run),
}

type Run = Box<dyn Fn(Exchange) + Send + Sync>;

impl Route {
    /// Adds the route to a server to be.
    pub(super) fn add(
        self,
        builder: &mut Builder,
        pattern: &str,
        site: &Arc<Site>,
    ) -> Result<(), Fail> {
        let location = self.location().to_owned();
        match self.handler(pattern, site)? {
            Handler::Blocking(run) => builder.blocking_exchange(pattern, run, location)?,
            Handler::Inline(run) => builder.inline_exchange(pattern, run, location)?,
        };
        Ok(())
    }

    /// Adds the route to a server that runs.
    pub(crate) fn add_to_running(
        self,
        server: &Server,
        pattern: &str,
        site: &Arc<Site>,
    ) -> Result<(), Fail> {
        let location = self.location().to_owned();
        match self.handler(pattern, site)? {
            Handler::Blocking(run) => server.blocking_exchange(pattern, run, location)?,
            Handler::Inline(run) => server.inline_exchange(pattern, run, location)?,
        }
        Ok(())
    }

    fn handler(self, pattern: &str, site: &Arc<Site>) -> Result<Handler, Fail> {
        let site = site.clone();
        Ok(match self {
            Route::Blocking(callback) => {
                Handler::Blocking(Box::new(move |exchange| callback.call(exchange, &site)))
            }
            Route::Inline(callback) => {
                Handler::Inline(Box::new(move |exchange| callback.call(exchange, &site)))
            }
            Route::Queue(user) => {
                Handler::Inline(Box::new(move |exchange| enqueue(exchange, &user, &site)))
            }
            Route::Directory(root) => {
                let rest = Rest::of(pattern)?;
                Handler::Blocking(Box::new(move |exchange| rest.serve(exchange, &root)))
            }
        })
    }

    /// What an error about a conflict says of where the other pattern came from.
    fn location(&self) -> &'static str {
        match self {
            Route::Blocking(_) => "a call of oxb_config_handle or oxb_server_handle",
            Route::Inline(_) => "a call of oxb_config_handle_inline or oxb_server_handle_inline",
            Route::Queue(_) => "a call of oxb_config_handle_queue or oxb_server_handle_queue",
            Route::Directory(_) => "a call of oxb_config_serve_dir or oxb_server_serve_dir",
        }
    }
}

/// Puts an exchange where `oxb_server_next` finds it.
fn enqueue(mut exchange: Exchange, user: &UserData, site: &Arc<Site>) {
    if !site.queue.has_room() {
        turn_away(exchange);
        return;
    }
    exchange.set_may_wait(!site.driven);
    if let Some(handle) = admit(exchange, site) {
        site.queue.push_request(handle, user.get());
    }
}

/// The part of a request's path that names a file below a directory.
enum Rest {
    /// What this wildcard stands for.
    Wildcard(String),
    /// What follows this.
    After(String),
}

impl Rest {
    fn of(pattern: &str) -> Result<Self, Fail> {
        let pattern: Pattern = pattern
            .parse()
            .map_err(|e| Fail::from(RegisterError::Parse(e)))?;
        let text = pattern.as_str();
        let path = text.find('/').map_or("", |at| &text[at..]);
        if path.ends_with("...}")
            && let Some(name) = pattern.wildcards().last()
        {
            return Ok(Rest::Wildcard(name.to_owned()));
        }
        if path.ends_with('/') && pattern.wildcards().len() == 0 {
            let path = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
            return Ok(Rest::After(path.into_owned()));
        }
        Err(Fail::new(
            OXB_ERR_PATTERN,
            format!(
                "{text:?} is no pattern for a directory (wanted one that ends in a wildcard such as \
                 {{path...}}, or one without wildcards that ends in /)"
            ),
        ))
    }

    fn serve(&self, mut exchange: Exchange, root: &std::path::Path) {
        let (response, request) = exchange.parts();
        let path = request.path();
        let rest = match self {
            Rest::Wildcard(name) => request.path_value(name).unwrap_or_default(),
            Rest::After(prefix) => path.strip_prefix(prefix.as_str()).unwrap_or_default(),
        };
        let served = serve_dir(response, request, root, rest);
        if let Err(e) = served.and_then(|()| exchange.end()) {
            tracing::debug!("a file could not be sent: {e}");
        }
    }
}

/// Where a route goes: into a config of the caller's.
///
/// # Safety
/// `config` is NULL or a config that nobody else uses meanwhile; `pattern` is NULL or a C string.
pub(crate) unsafe fn add_to_config(
    config: *mut oxb_config,
    pattern: *const c_char,
    route: Result<Route, Fail>,
) -> Result<(), Fail> {
    // SAFETY: as our caller promises.
    let config = unsafe { config.as_mut() }.ok_or_else(|| Fail::arg("config is NULL"))?;
    // SAFETY: as our caller promises.
    let pattern = unsafe { text(pattern, "pattern") }?;
    let route = route?;
    if matches!(route, Route::Directory(_)) {
        Rest::of(pattern)?;
    }
    config
        .patterns
        .register_at(pattern, (), route.location().to_owned())?;
    config.routes.push((pattern.to_owned(), route));
    Ok(())
}

/// A route to a callback; `wrap` says of which kind.
pub(crate) fn callback(
    handler: oxb_handler,
    user: UserData,
    wrap: fn(Callback) -> Route,
) -> Result<Route, Fail> {
    let function = handler.ok_or_else(|| Fail::arg("handler is NULL"))?;
    Ok(wrap(Callback { function, user }))
}

/// A route to the files of a directory.
///
/// # Safety
/// `directory` is NULL or a C string.
pub(crate) unsafe fn directory(directory: *const c_char) -> Result<Route, Fail> {
    // SAFETY: as our caller promises.
    let path = PathBuf::from(unsafe { text(directory, "directory") }?);
    if !path.is_dir() {
        return Err(Fail::new(
            OXB_ERR_NOT_FOUND,
            format!("{} is no directory", path.display()),
        ));
    }
    Ok(Route::Directory(path))
}

/// Lets `handler` answer the requests that `pattern` matches. Patterns are those of Go's net/http:
/// `[METHOD ][HOST]/[PATH]`, with wildcards `{name}`, `{name...}` at the end, and `{$}`.
///
/// The callback runs on a thread of the library (in a driven server: in a turn). It may block: other
/// clients are served meanwhile by other threads. When it returns, the exchange ends, unless it has
/// called `oxb_exchange_defer`; if it has set or written nothing of the response, the client gets 500.
///
/// Ownership: `pattern` is copied; `user_data` is kept until the config is freed, or the server is and no
/// callback runs any more; `drop` runs exactly once, also on failure. `error` is written on failure, and
/// the caller's to free.
/// Threads: one thread at a time for one config. The callback runs on any thread, also on several at once.
/// NULL: `OXB_ERR_ARG` for `config`, `pattern` and `handler`; the others may be NULL.
/// Returns: `OXB_OK`; `OXB_ERR_PATTERN`: malformed, or in conflict with another one; `OXB_ERR_ARG`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_config_handle(
    config: *mut oxb_config,
    pattern: *const c_char,
    handler: oxb_handler,
    user_data: *mut c_void,
    drop: oxb_drop,
    error: *mut *mut oxb_error,
) -> oxb_status {
    let user = UserData::new(user_data, drop);
    // SAFETY: all three are NULL or the caller's, as the header says.
    unsafe {
        explained(error, || {
            add_to_config(config, pattern, callback(handler, user, Route::Blocking))
        })
    }
}

/// As `oxb_config_handle`, for a callback that promises never to block: it runs inside the event loop,
/// which saves a little, and while it runs nobody else is served. Calls that would wait give
/// `OXB_ERR_WOULD_BLOCK` or queue. It may defer, so that another thread answers.
///
/// Ownership: as `oxb_config_handle`.
/// Threads: one thread at a time for one config. The callback runs on any thread, also on several at once.
/// NULL: `OXB_ERR_ARG` for `config`, `pattern` and `handler`; the others may be NULL.
/// Returns: as `oxb_config_handle`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_config_handle_inline(
    config: *mut oxb_config,
    pattern: *const c_char,
    handler: oxb_handler,
    user_data: *mut c_void,
    drop: oxb_drop,
    error: *mut *mut oxb_error,
) -> oxb_status {
    let user = UserData::new(user_data, drop);
    // SAFETY: all three are NULL or the caller's, as the header says.
    unsafe {
        explained(error, || {
            add_to_config(config, pattern, callback(handler, user, Route::Inline))
        })
    }
}

/// Puts the exchanges of requests that `pattern` matches into a queue, from which `oxb_server_next` takes
/// them, with `user_data`: no callback, for languages in which one is dear.
///
/// Ownership: as `oxb_config_handle`.
/// Threads: one thread at a time for one config.
/// NULL: `OXB_ERR_ARG` for `config` and `pattern`; the others may be NULL.
/// Returns: as `oxb_config_handle`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_config_handle_queue(
    config: *mut oxb_config,
    pattern: *const c_char,
    user_data: *mut c_void,
    drop: oxb_drop,
    error: *mut *mut oxb_error,
) -> oxb_status {
    let user = UserData::new(user_data, drop);
    // SAFETY: all three are NULL or the caller's, as the header says.
    unsafe {
        explained(error, || {
            add_to_config(config, pattern, Ok(Route::Queue(user)))
        })
    }
}

/// Serves the files below a directory: types, ETag, conditional requests, ranges, `index.html`; no
/// listings, no hidden ways out of the directory. `pattern` ends in a wildcard such as `{path...}`, whose
/// value names the file, or has no wildcards and ends in `/`, and what follows it names the file.
///
/// Ownership: `pattern` and `directory` are copied; `error` is written on failure, and the caller's to
/// free.
/// Threads: one thread at a time for one config.
/// NULL: `OXB_ERR_ARG`; `error` may be NULL.
/// Returns: `OXB_OK`; `OXB_ERR_PATTERN`; `OXB_ERR_NOT_FOUND`: no such directory; `OXB_ERR_ARG`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_config_serve_dir(
    config: *mut oxb_config,
    pattern: *const c_char,
    directory: *const c_char,
    error: *mut *mut oxb_error,
) -> oxb_status {
    // SAFETY: all are NULL or the caller's, as the header says.
    unsafe {
        explained(error, || {
            add_to_config(config, pattern, self::directory(directory))
        })
    }
}
