//! What the wildcards of a pattern matched, kept apart from the path they matched in.

/// The values of a match's wildcards, free of the borrow of the path.
///
/// Most values are ranges of the request's path, so whoever keeps the path keeps the values without
/// copying them: [`get`](Self::get) takes the path again. A value that had to be percent-decoded is
/// owned. Up to eight values are stored inline; only decoded ones and any past eight allocate.
///
/// **The path given to `get` must be the one that was looked up.** With another path the values are
/// meaningless, though nothing panics.
///
/// ```
/// use oxbridge_mux::{Lookup, Mux};
///
/// let mut mux = Mux::new();
/// mux.register("/{user}/{repo}", ()).unwrap();
///
/// let path = String::from("/ann/my%20code");
/// let (values, pattern) = match mux.lookup("GET", "", &path, None) {
///     Lookup::Found(found) => {
///         let pattern = found.pattern.clone();
///         (found.into_values(), pattern)
///     }
///     _ => unreachable!(),
/// };
/// let owner_of_both = (path, values);
///
/// let (path, values) = &owner_of_both;
/// assert_eq!(values.get(0, path), Some("ann"));
/// let repo = pattern.wildcard_index("repo").unwrap();
/// assert_eq!(values.get(repo, path), Some("my code"));
/// ```
#[derive(Debug, Clone, Default)]
pub struct PathValues {
    spans: Spans,
    /// Sorted by the index of the wildcard; empty, and so without memory, as a rule.
    decoded: Vec<(u32, Decoded)>,
}

/// A value that does not stand in the path as it is.
#[derive(Debug, Clone)]
struct Decoded {
    /// With U+FFFD in place of whatever is not UTF-8.
    text: Box<str>,
    /// The bytes, if they are not UTF-8.
    bytes: Option<Box<[u8]>>,
}

impl PathValues {
    /// The number of values, which is that of the pattern's [`wildcards`](crate::Pattern::wildcards).
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether the pattern has no wildcards.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of the wildcard with this index, decoded, or `None` past the last.
    ///
    /// `path` is the path that was looked up. Bytes that are not UTF-8 are replaced by U+FFFD; see
    /// [`bytes`](Self::bytes).
    pub fn get<'a>(&'a self, index: usize, path: &'a str) -> Option<&'a str> {
        let span = self.spans.get(index)?;
        match self.find_decoded(index) {
            Some(decoded) => Some(&decoded.text),
            None => path.get(span.range()),
        }
    }

    /// The value of the wildcard with this index as the client sent it, decoded, UTF-8 or not.
    pub fn bytes<'a>(&'a self, index: usize, path: &'a str) -> Option<&'a [u8]> {
        match self.find_decoded(index) {
            Some(Decoded {
                bytes: Some(bytes), ..
            }) => Some(bytes),
            _ => self.get(index, path).map(str::as_bytes),
        }
    }

    fn find_decoded(&self, index: usize) -> Option<&Decoded> {
        self.decoded
            .iter()
            .find(|(i, _)| *i as usize == index)
            .map(|(_, decoded)| decoded)
    }

    pub(crate) fn new(spans: Spans) -> Self {
        PathValues {
            spans,
            decoded: Vec::new(),
        }
    }

    pub(crate) fn span(&self, index: usize) -> Option<Span> {
        self.spans.get(index)
    }

    /// Makes a value owned. The indices of successive calls must rise.
    pub(crate) fn own(&mut self, index: usize, value: Vec<u8>) {
        let decoded = match String::from_utf8(value) {
            Ok(text) => Decoded {
                text: text.into(),
                bytes: None,
            },
            Err(error) => Decoded {
                text: String::from_utf8_lossy(error.as_bytes()).into(),
                bytes: Some(error.into_bytes().into()),
            },
        };
        // A pattern with 2^32 wildcards does not fit into memory.
        self.decoded.push((index as u32, decoded));
    }
}

/// A range of the path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// The mux refuses paths of 4 GiB, so the bounds fit.
    pub(crate) fn new(start: usize, end: usize) -> Self {
        Span {
            start: start as u32,
            end: end as u32,
        }
    }

    pub(crate) fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A stack of ranges, of which the first eight need no allocation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spans {
    len: u32,
    inline: [Span; INLINE],
    /// Holds what does not fit into `inline`.
    spill: Vec<Span>,
}

const INLINE: usize = 8;

impl Spans {
    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    pub(crate) fn get(&self, index: usize) -> Option<Span> {
        if index >= self.len() {
            None
        } else if index < INLINE {
            Some(self.inline[index])
        } else {
            self.spill.get(index - INLINE).copied()
        }
    }

    pub(crate) fn push(&mut self, span: Span) {
        match self.inline.get_mut(self.len as usize) {
            Some(slot) => *slot = span,
            None => self.spill.push(span),
        }
        self.len += 1;
    }

    /// Forgets all but the first `len` ranges.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = len as u32;
        self.spill.truncate(len.saturating_sub(INLINE));
    }
}
