//! Who called, across systems: W3C Trace Context and AWS X-Ray.

use std::fmt::Write as _;

use rand::Rng;

/// The trace a request belongs to and its own place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// 32 hex digits, the same in every system that took part.
    pub trace_id: String,
    /// 16 hex digits: this request's own span.
    pub span_id: String,
    /// Whether the caller asked for the trace to be kept.
    pub sampled: bool,
}

impl Trace {
    /// Takes up the caller's `traceparent`, else the gateway's X-Ray header, else starts a trace.
    pub fn from_headers(traceparent: Option<&str>, xray: Option<&str>, rng: &mut impl Rng) -> Self {
        let span_id = hex(rng.next_u64());
        let (trace_id, sampled) = traceparent
            .and_then(w3c)
            .or_else(|| xray.and_then(from_xray))
            .unwrap_or_else(|| (hex(rng.next_u64() | 1) + &hex(rng.next_u64()), false));
        Self {
            trace_id,
            span_id,
            sampled,
        }
    }

    /// The header that passes this trace on (W3C Trace Context, section 3.2).
    pub fn traceparent(&self) -> String {
        let flags = if self.sampled { "01" } else { "00" };
        format!("00-{}-{}-{flags}", self.trace_id, self.span_id)
    }
}

fn hex(number: u64) -> String {
    let mut text = String::with_capacity(32);
    let _infallible = write!(text, "{number:016x}");
    text
}

/// `00-<32 hex>-<16 hex>-<2 hex>`; all-zero ids are invalid.
fn w3c(header: &str) -> Option<(String, bool)> {
    let mut parts = header.trim().split('-');
    let version = parts.next()?;
    let trace_id = lower_hex(parts.next()?, 32)?;
    let parent = lower_hex(parts.next()?, 16)?;
    let flags = u8::from_str_radix(lower_hex(parts.next()?, 2)?, 16).ok()?;
    let known = lower_hex(version, 2)? != "ff" && (version != "00" || parts.next().is_none());
    let zero = |id: &str| id.bytes().all(|b| b == b'0');
    (known && !zero(trace_id) && !zero(parent)).then(|| (trace_id.to_owned(), flags & 1 == 1))
}

/// `Root=1-<8 hex>-<24 hex>;Parent=…;Sampled=1`.
fn from_xray(header: &str) -> Option<(String, bool)> {
    let field = |name: &str| {
        header
            .split(';')
            .find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
    };
    let (epoch, unique) = field("Root")?.strip_prefix("1-")?.split_once('-')?;
    let trace_id = [lower_hex(epoch, 8)?, lower_hex(unique, 24)?].concat();
    Some((trace_id, field("Sampled") == Some("1")))
}

fn lower_hex(text: &str, length: usize) -> Option<&str> {
    let legal = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    (text.len() == length && text.bytes().all(legal)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::StdRng};

    const W3C: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const XRAY: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";

    fn trace(traceparent: Option<&str>, xray: Option<&str>) -> Trace {
        Trace::from_headers(traceparent, xray, &mut StdRng::seed_from_u64(1))
    }

    #[test]
    fn the_callers_trace_is_taken_up_and_passed_on_with_a_span_of_our_own() {
        let taken = trace(Some(W3C), Some(XRAY));
        assert_eq!(taken.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
        assert!(taken.sampled);
        assert_ne!(taken.span_id, "00f067aa0ba902b7");
        assert!(w3c(&taken.traceparent()).is_some());
    }

    #[test]
    fn without_one_the_gateways_is_taken() {
        assert_eq!(
            trace(None, Some(XRAY)).trace_id,
            "5759e988bd862e3fe1be46a994272793"
        );
    }

    #[test]
    fn an_illegal_header_starts_a_new_trace() {
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        ] {
            let made = trace(Some(bad), None);
            assert_eq!(made.trace_id.len(), 32, "{bad}");
            assert_ne!(made.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736", "{bad}");
        }
    }
}
