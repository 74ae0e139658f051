//! Which codings a client accepts, and how much it likes each (RFC 9110 §12.5.3).

use http::HeaderMap;
use http::header::ACCEPT_ENCODING;

use super::Algorithm;

/// What Accept-Encoding says, in thousandths: 0 is "not acceptable", none "not mentioned".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Accepted {
    zstd: Option<u16>,
    brotli: Option<u16>,
    gzip: Option<u16>,
    identity: Option<u16>,
    any: Option<u16>,
}

impl Accepted {
    /// Reads the field. A member that is malformed is not there; of one that is there twice the first
    /// counts.
    pub(crate) fn read(headers: &HeaderMap) -> Self {
        let mut accepted = Accepted::default();
        for line in headers.get_all(ACCEPT_ENCODING) {
            let Ok(line) = line.to_str() else { continue };
            for member in line.split(',') {
                accepted.add(member);
            }
        }
        accepted
    }

    fn add(&mut self, member: &str) {
        let mut parts = member.split(';').map(|part| part.trim_matches([' ', '\t']));
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let quality = match (parts.next(), parts.next()) {
            (None, _) => Some(1000),
            (Some(weight), None) => quality(weight),
            _ => None,
        };
        let Some(quality) = quality else { return };
        let slot = match name.as_str() {
            "zstd" => &mut self.zstd,
            "br" => &mut self.brotli,
            "gzip" | "x-gzip" => &mut self.gzip,
            "identity" => &mut self.identity,
            "*" => &mut self.any,
            _ => return,
        };
        slot.get_or_insert(quality);
    }

    /// How much the client likes a coding; 0 is not at all.
    fn quality(&self, algorithm: Algorithm) -> u16 {
        let named = match algorithm {
            Algorithm::Zstd => self.zstd,
            Algorithm::Brotli => self.brotli,
            Algorithm::Gzip => self.gzip,
        };
        named.or(self.any).unwrap_or(0)
    }

    /// Whether the client refuses what is not coded.
    pub(crate) fn refuses_identity(&self) -> bool {
        self.identity.or(self.any) == Some(0)
    }

    /// Those of `offered` that are accepted and not liked less than no coding at all: the one that the
    /// client likes best first, and the one that stands first in `offered` among equals.
    pub(crate) fn ranked(&self, offered: &[Algorithm]) -> Vec<Algorithm> {
        let least = self.identity.unwrap_or(0).max(1);
        let mut ranked: Vec<_> = offered
            .iter()
            .copied()
            .filter(|a| self.quality(*a) >= least)
            .collect();
        ranked.sort_by_key(|a| std::cmp::Reverse(self.quality(*a)));
        ranked
    }

    /// The first of [`ranked`](Self::ranked).
    pub(crate) fn best(&self, offered: &[Algorithm]) -> Option<Algorithm> {
        self.ranked(offered).first().copied()
    }
}

/// The value of a weight, `q=0.5`, in thousandths (§12.4.2).
fn quality(weight: &str) -> Option<u16> {
    let value = weight
        .strip_prefix("q=")
        .or_else(|| weight.strip_prefix("Q="))?;
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}
