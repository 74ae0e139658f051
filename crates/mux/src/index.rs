//! The levels of the index above the paths: hosts, and under each the methods.

use crate::pattern::Parts;
use crate::relation;
use crate::tree::{EntryId, Hit, Node, Walk};
use crate::values::Spans;

/// Finds patterns by host, method and path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    /// Patterns without a host.
    anywhere: Methods,
    /// Patterns with a host, sorted by it.
    hosts: Vec<(Box<str>, Methods)>,
}

/// The patterns of one host.
#[derive(Clone, Debug, Default)]
struct Methods {
    /// Patterns without a method.
    any: Node,
    /// Patterns with a method, in the order in which methods first came. They are few.
    named: Vec<(Box<str>, Node)>,
}

impl Index {
    /// Adds a pattern. None that conflicts with it may be in the index.
    pub(crate) fn insert(&mut self, pattern: &Parts, entry: EntryId) {
        self.methods_mut(&pattern.host)
            .tree_mut(&pattern.method)
            .insert(&pattern.segments, entry);
    }

    /// Whether any pattern has a host.
    pub(crate) fn has_hosts(&self) -> bool {
        !self.hosts.is_empty()
    }

    /// Finds the pattern of the highest precedence: one with the host before one without. Pushes
    /// the ranges that its wildcards matched.
    pub(crate) fn find(
        &self,
        host: &str,
        method: &str,
        walk: Walk<'_>,
        spans: &mut Spans,
    ) -> Option<Hit> {
        self.methods(host)
            .and_then(|methods| methods.find(method, walk, spans))
            .or_else(|| self.anywhere.find(method, walk, spans))
    }

    /// The methods that patterns name which match the path, or the path with a slash added; with
    /// what `GET` implies, and sorted.
    pub(crate) fn allowed(&self, host: &str, walk: Walk<'_>) -> Vec<&str> {
        let matches = |tree: &Node, walk| tree.find(walk, &mut Spans::default()).is_some();
        let slashed = Some(Walk {
            slash: true,
            ..walk
        })
        .filter(|_| !walk.path.ends_with(b"/"));
        let mut allowed = Vec::new();
        for methods in [self.methods(host), Some(&self.anywhere)]
            .into_iter()
            .flatten()
        {
            for (method, tree) in &methods.named {
                if matches(tree, walk) || slashed.is_some_and(|walk| matches(tree, walk)) {
                    allowed.push(&**method);
                    if **method == *"GET" {
                        allowed.push("HEAD");
                    }
                }
            }
        }
        allowed.sort_unstable();
        allowed.dedup();
        allowed
    }

    /// Calls `visit` with every pattern of the same host that matches a request in common with
    /// `pattern`, and so with all that might conflict with it.
    pub(crate) fn visit_overlapping(&self, pattern: &Parts, visit: &mut impl FnMut(EntryId)) {
        let methods = if pattern.host.is_empty() {
            Some(&self.anywhere)
        } else {
            self.methods(&pattern.host)
        };
        for (method, tree) in methods.into_iter().flat_map(Methods::all) {
            if relation::methods(&pattern.method, method).is_some() {
                tree.visit_overlapping(&pattern.segments, visit);
            }
        }
    }

    /// The patterns of a host, if it has any of its own.
    fn methods(&self, host: &str) -> Option<&Methods> {
        let at = self.position(host).ok()?;
        Some(&self.hosts[at].1)
    }

    fn methods_mut(&mut self, host: &str) -> &mut Methods {
        if host.is_empty() {
            return &mut self.anywhere;
        }
        let at = match self.position(host) {
            Ok(at) => at,
            Err(at) => {
                self.hosts.insert(at, (host.into(), Methods::default()));
                at
            }
        };
        &mut self.hosts[at].1
    }

    /// Where the host stands, or else where it would.
    fn position(&self, host: &str) -> Result<usize, usize> {
        self.hosts
            .binary_search_by(|(known, _)| (**known).cmp(host))
    }
}

impl Methods {
    /// A pattern with the request's method comes first, then `GET` for `HEAD`, then any method.
    fn find(&self, method: &str, walk: Walk<'_>, spans: &mut Spans) -> Option<Hit> {
        let mut named = |method: &str| self.tree(method).and_then(|tree| tree.find(walk, spans));
        if let Some(hit) = named(method) {
            return Some(hit);
        }
        if method == "HEAD"
            && let Some(hit) = named("GET")
        {
            return Some(hit);
        }
        self.any.find(walk, spans)
    }

    fn tree(&self, method: &str) -> Option<&Node> {
        self.named
            .iter()
            .find(|(known, _)| **known == *method)
            .map(|(_, tree)| tree)
    }

    fn tree_mut(&mut self, method: &str) -> &mut Node {
        if method.is_empty() {
            return &mut self.any;
        }
        let at = match self.named.iter().position(|(known, _)| **known == *method) {
            Some(at) => at,
            None => {
                self.named.push((method.into(), Node::default()));
                self.named.len() - 1
            }
        };
        &mut self.named[at].1
    }

    fn all(&self) -> impl Iterator<Item = (&str, &Node)> {
        let named = self.named.iter().map(|(method, tree)| (&**method, tree));
        named.chain([("", &self.any)])
    }
}
