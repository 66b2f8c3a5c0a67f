//! A request's head: its parts, and what they say about the body and the connection.

use httparse::Status;

use super::read::Refusal;

const MAX_HEADERS: usize = 200;

/// The request line and the header fields.
pub(super) struct Head {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) http_1_1: bool,
}

/// How a body is delimited.
pub(super) enum Framing {
    Length(usize),
    Chunked,
}

impl Head {
    /// The head at the start of `bytes` and its length there; `None` while it is not whole.
    ///
    /// # Errors
    /// It is not HTTP, or request line and header values are larger than `limit_bytes`.
    pub(super) fn parse(
        bytes: &[u8],
        limit_bytes: usize,
    ) -> Result<Option<(Self, usize)>, Refusal> {
        let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut parsed = httparse::Request::new(&mut fields);
        let length = match parsed.parse(bytes) {
            Ok(Status::Complete(length)) => length,
            Ok(Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => return Err(Refusal::HeadTooLarge),
            Err(_) => return Err(Refusal::Malformed),
        };
        let (Some(method), Some(target), Some(version)) =
            (parsed.method, parsed.path, parsed.version)
        else {
            return Err(Refusal::Malformed);
        };
        let line_bytes = method.len() + target.len() + " HTTP/1.1 ".len();
        let value_bytes: usize = parsed.headers.iter().map(|field| field.value.len()).sum();
        if line_bytes + value_bytes > limit_bytes {
            return Err(Refusal::HeadTooLarge);
        }
        let head = Self {
            method: method.to_owned(),
            target: origin_form(target).ok_or(Refusal::Malformed)?.to_owned(),
            headers: parsed
                .headers
                .iter()
                .map(|field| {
                    let value = String::from_utf8_lossy(field.value).into_owned();
                    (field.name.to_ascii_lowercase(), value)
                })
                .collect(),
            http_1_1: version == 1,
        };
        let hosts = head.values("host").count();
        if hosts > 1 || head.http_1_1 && hosts == 0 {
            return Err(Refusal::Malformed);
        }
        Ok(Some((head, length)))
    }

    /// How the body is delimited, RFC 9112 section 6.3. Anything two readers could understand
    /// differently is refused.
    pub(super) fn framing(&self) -> Result<Framing, Refusal> {
        let codings: Vec<&str> = self.values("transfer-encoding").collect();
        let lengths: Vec<&str> = self.values("content-length").collect();
        match (codings.as_slice(), lengths.as_slice()) {
            ([], []) => Ok(Framing::Length(0)),
            ([coding], []) if coding.eq_ignore_ascii_case("chunked") && self.http_1_1 => {
                Ok(Framing::Chunked)
            }
            ([], [length]) if length.bytes().all(|digit| digit.is_ascii_digit()) => {
                match length.len() {
                    0 => Err(Refusal::Malformed),
                    1..=18 => length
                        .parse()
                        .map(Framing::Length)
                        .map_err(|_| Refusal::Malformed),
                    _ => Err(Refusal::BodyTooLarge),
                }
            }
            _ => Err(Refusal::Malformed),
        }
    }

    /// The client waits to be told before it sends its body.
    pub(super) fn expects_continue(&self) -> bool {
        self.http_1_1
            && self
                .values("expect")
                .any(|value| value.eq_ignore_ascii_case("100-continue"))
    }

    /// The client may send another request on this connection.
    pub(super) fn keeps_alive(&self) -> bool {
        let asks = |option: &str| {
            self.values("connection")
                .flat_map(|value| value.split(','))
                .any(|token| token.trim().eq_ignore_ascii_case(option))
        };
        if self.http_1_1 {
            !asks("close")
        } else {
            asks("keep-alive")
        }
    }

    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(own, _)| own == name)
            .map(|(_, value)| value.trim())
    }
}
/// `/path?query`, also out of the absolute form that proxies are sent.
fn origin_form(target: &str) -> Option<&str> {
    if target.starts_with('/') {
        return Some(target);
    }
    let (scheme, rest) = target.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    match rest.find(['/', '?']) {
        Some(at) => rest.get(at..).filter(|target| target.starts_with('/')),
        None => Some("/"),
    }
}
