//! Informational responses: 1xx heads before the answer (RFC 9110 §15.2).

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{StatusCode, Version};

use crate::response::ResponseWriter;

impl ResponseWriter {
    /// Writes an informational head. Only HTTP/1.1 carries it here: an HTTP/1.0 client must not be sent
    /// one (RFC 9110 §15.2), and the HTTP/2 layer and host programs cannot; there it is dropped, which is
    /// always allowed.
    pub(super) fn inform(&self, status: StatusCode) {
        if self.version != Version::HTTP_11 || self.conn.is_in_process() {
            return;
        }
        let mut head = format!(
            "HTTP/1.1 {} {}\r\n",
            status.as_u16(),
            status.canonical_reason().unwrap_or("")
        )
        .into_bytes();
        for (name, value) in &self.headers {
            if *name == CONTENT_LENGTH || *name == TRANSFER_ENCODING {
                // Of the answer to come: a 1xx has no content (RFC 9110 §8.6).
                continue;
            }
            head.extend_from_slice(name.as_str().as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        self.conn.send_interim(&head);
    }
}
