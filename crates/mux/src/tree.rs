//! The index: a tree of segments for each host and method.
//!
//! At every node a literal child is tried before the wildcard and the wildcard before the `...`.
//! That is the order of precedence, because registration has ruled out any two patterns of which
//! neither is more specific. A branch that leads nowhere is left for the next one, so that with
//! `/a/b/z` and `/a/{x}/c` the path `/a/b/c` still finds the latter.
//!
//! A node's depth is its place in the path, so a lookup visits no node twice, and the recursion is
//! as deep as the longest pattern, however long the path.

use crate::literals::Literals;
use crate::pattern::{Segment, TRAILING_SLASH};
use crate::values::{Span, Spans};

/// The position of a pattern in the order of registration.
pub(crate) type EntryId = u32;

/// Patterns of one host and method, by their paths.
#[derive(Clone, Debug, Default)]
pub(crate) struct Node {
    literals: Literals<Node>,
    single: Option<Box<Node>>,
    /// A pattern that ends here with a `...`.
    multi: Option<Multi>,
    /// A pattern that ends here.
    end: Option<EntryId>,
}

#[derive(Debug, Clone, Copy)]
struct Multi {
    entry: EntryId,
    /// It has a name, so what it matches is a value.
    named: bool,
}

/// What a path led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) entry: EntryId,
    /// No `...` matched more than a trailing slash.
    pub(crate) exact: bool,
}

/// A path on its way down the tree.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Walk<'p> {
    /// Begins with a slash, or is empty.
    pub(crate) path: &'p [u8],
    /// There may be escapes in it.
    pub(crate) escaped: bool,
    /// Pretend that the path has one more slash at its end.
    pub(crate) slash: bool,
}

impl Node {
    /// Adds a pattern. No pattern that conflicts with it may be in the tree.
    pub(crate) fn insert(&mut self, segments: &[Segment], entry: EntryId) {
        let Some((first, rest)) = segments.split_first() else {
            self.end = Some(entry);
            return;
        };
        match first {
            Segment::Literal(text) => {
                let child = self.literals.get_or_insert_with(text, Node::default);
                child.insert(rest, entry);
            }
            Segment::Single(_) => self.single.get_or_insert_default().insert(rest, entry),
            Segment::Multi(name) => {
                self.multi = Some(Multi {
                    entry,
                    named: !name.is_empty(),
                })
            }
        }
    }

    /// Finds the pattern with the highest precedence that matches the path, and pushes the ranges
    /// that its wildcards matched. Without a match `spans` is left as it was.
    pub(crate) fn find(&self, walk: Walk<'_>, spans: &mut Spans) -> Option<Hit> {
        self.find_from(walk, 0, spans)
    }

    fn find_from(&self, walk: Walk<'_>, at: usize, spans: &mut Spans) -> Option<Hit> {
        let path = walk.path;
        if at == path.len() {
            return if walk.slash {
                self.find_trailing_slash(
                    Walk {
                        slash: false,
                        ..walk
                    },
                    at,
                    spans,
                )
            } else {
                self.end.map(|entry| Hit { entry, exact: true })
            };
        }
        // Here path[at] is a slash: a walk starts at one and goes on from one.
        let start = at + 1;
        if start == path.len() && !walk.slash {
            return self.find_trailing_slash(walk, start, spans);
        }
        let end = memchr::memchr(b'/', &path[start..]).map_or(path.len(), |len| start + len);
        let segment = &path[start..end];

        if let Some(child) = self.literals.get(segment, walk.escaped)
            && let Some(hit) = child.find_from(walk, end, spans)
        {
            return Some(hit);
        }
        if let Some(child) = &self.single
            && !(walk.escaped && is_escaped_slash(segment))
        {
            let mark = spans.len();
            spans.push(Span::new(start, end));
            if let Some(hit) = child.find_from(walk, end, spans) {
                return Some(hit);
            }
            spans.truncate(mark);
        }
        let multi = self.multi?;
        if multi.named {
            spans.push(Span::new(start, path.len()));
        }
        Some(Hit {
            entry: multi.entry,
            exact: false,
        })
    }

    /// Goes on where only a slash remains.
    fn find_trailing_slash(&self, walk: Walk<'_>, at: usize, spans: &mut Spans) -> Option<Hit> {
        if let Some(entry) = self
            .literals
            .get(TRAILING_SLASH, false)
            .and_then(|child| child.end)
        {
            return Some(Hit { entry, exact: true });
        }
        let multi = self.multi?;
        if multi.named {
            spans.push(Span::new(at, walk.path.len()));
        }
        Some(Hit {
            entry: multi.entry,
            exact: true,
        })
    }

    /// Calls `visit` with every pattern in the tree that matches a path in common with `segments`.
    pub(crate) fn visit_overlapping(&self, segments: &[Segment], visit: &mut impl FnMut(EntryId)) {
        let Some((first, rest)) = segments.split_first() else {
            if let Some(entry) = self.end {
                visit(entry);
            }
            return;
        };
        if let Some(multi) = self.multi {
            visit(multi.entry);
        }
        match first {
            Segment::Literal(text) => {
                if let Some(child) = self.literals.get(text, false) {
                    child.visit_overlapping(rest, visit);
                }
                if let Some(child) = &self.single
                    && **text != *TRAILING_SLASH
                {
                    child.visit_overlapping(rest, visit);
                }
            }
            Segment::Single(_) => {
                for (text, child) in self.literals.iter() {
                    if *text != *TRAILING_SLASH {
                        child.visit_overlapping(rest, visit);
                    }
                }
                if let Some(child) = &self.single {
                    child.visit_overlapping(rest, visit);
                }
            }
            Segment::Multi(_) => {
                for child in self.children() {
                    child.visit_all(visit);
                }
            }
        }
    }

    fn visit_all(&self, visit: &mut impl FnMut(EntryId)) {
        self.end
            .into_iter()
            .chain(self.multi.map(|multi| multi.entry))
            .for_each(&mut *visit);
        for child in self.children() {
            child.visit_all(visit);
        }
    }

    fn children(&self) -> impl Iterator<Item = &Node> {
        self.literals
            .iter()
            .map(|(_, child)| child)
            .chain(self.single.as_deref())
    }
}

/// An escaped slash that is a whole segment counts as a trailing slash; see [`Segment`].
fn is_escaped_slash(segment: &[u8]) -> bool {
    matches!(segment, [b'%', b'2', b'f' | b'F'])
}
