//! One call of a C handler: the request in C's form, the call, and the end of the answer.

use oxbridge::Exchange;

use crate::exports::{Call_HandleFunc, FuncPtr, Request};
use crate::writers::Entry;
use crate::{headers, url};

/// Answers an exchange by calling `handler` on this thread.
pub(crate) fn serve(mut exchange: Exchange, handler: FuncPtr) {
    let body = match exchange.request().body_mut().read_all_blocking() {
        Ok(body) => body,
        Err(e) => return exchange.refuse(e.status()),
    };
    let (response, request) = exchange.into_parts();
    // Owns what the `Request` below points to.
    let strings = [
        c_string(request.method().as_str()),
        c_string(request.host()),
        c_string(url::text(&request)),
        c_string(body),
        c_string(headers::text(request.headers())),
    ];
    drop(request);
    let [method, host, url, body, headers] = &strings;
    let mut request = Request {
        Method: method.as_ptr().cast(),
        Host: host.as_ptr().cast(),
        URL: url.as_ptr().cast(),
        Body: body.as_ptr().cast(),
        Headers: headers.as_ptr().cast(),
    };
    let Some(entry) = Entry::new(response) else {
        return;
    };
    // SAFETY: the request and its strings live until after the call, and the number stands for a writer
    // that lives as long. That the handler is a function of this type is what who registered it promised.
    unsafe { Call_HandleFunc(entry.number(), &raw mut request, Some(handler)) };
    entry.close();
}

/// The bytes with a NUL after them. A NUL among them stays, and ends what C sees.
fn c_string(bytes: impl Into<Vec<u8>>) -> Vec<u8> {
    let mut bytes = bytes.into();
    bytes.push(0);
    bytes
}
