//! A body's size, media type and encoding, before anything reads it.

use std::{io::Read, sync::Arc};

use flate2::read::MultiGzDecoder;
use http::{HeaderValue, header};
use lambda_http::Body;

use super::{Inner, Middleware, facts, refuse};
use crate::{
    Request, Response,
    api::Route,
    extract::{BODY_LIMIT_BYTES, check_media_type},
    problem::{Code, Problem},
};

/// Refuses bodies that the route does not take, and inflates those that it takes compressed.
pub(crate) struct BodyLimits;

impl Middleware for BodyLimits {
    async fn handle<S: Inner>(self: Arc<Self>, mut request: Request, next: S) -> Response {
        let facts = facts(&request);
        let route = request.extensions().get::<Arc<Route>>().cloned();
        match check(&mut request, route.as_deref()) {
            Ok(()) => next.run(request).await,
            Err(problem) => refuse(facts.as_deref(), problem),
        }
    }
}

fn check(request: &mut Request, route: Option<&Route>) -> Result<(), Problem> {
    if request.body().len() > BODY_LIMIT_BYTES {
        return Err(too_large());
    }
    let Some((route, taken)) = route.and_then(|route| Some((route, route.media_types?))) else {
        return Ok(());
    };
    if is_compressed(request, route.inflates)? {
        let inflated = inflate(request.body().as_ref())?;
        *request.body_mut() = Body::Binary(inflated);
        request.headers_mut().remove(header::CONTENT_ENCODING);
    }
    let sent = request.headers().get(header::CONTENT_TYPE);
    if request.body().is_empty() && sent.is_none() {
        // Nothing was sent: the parser says what is missing.
        return Ok(());
    }
    check_media_type(sent.and_then(|value| value.to_str().ok()), taken)
}

fn too_large() -> Problem {
    Problem::new(Code::BodyTooLarge).detail(format!("at most {BODY_LIMIT_BYTES} bytes are taken"))
}

/// Whether the body comes as gzip, on a route that takes it so. Other encodings are refused with
/// `Accept-Encoding` (RFC 9110, section 15.5.16).
fn is_compressed(request: &Request, inflates: bool) -> Result<bool, Problem> {
    let Some(encoding) = request.headers().get(header::CONTENT_ENCODING) else {
        return Ok(false);
    };
    let is = |name: &[u8]| encoding.as_bytes().trim_ascii().eq_ignore_ascii_case(name);
    if is(b"identity") || is(b"") {
        return Ok(false);
    }
    if inflates && (is(b"gzip") || is(b"x-gzip")) {
        return Ok(true);
    }
    let (accepted, detail) = match inflates {
        true => (
            "gzip",
            "send the body as it is, or with Content-Encoding: gzip",
        ),
        false => (
            "identity",
            "send the body as it is, without a content encoding",
        ),
    };
    Err(Problem::new(Code::UnsupportedMediaType)
        .detail(detail)
        .header(header::ACCEPT_ENCODING, HeaderValue::from_static(accepted)))
}

/// Inflates a body to at most [`BODY_LIMIT_BYTES`]: what would be larger is never inflated whole.
fn inflate(compressed: &[u8]) -> Result<Vec<u8>, Problem> {
    let mut inflated = Vec::new();
    let most = BODY_LIMIT_BYTES as u64 + 1;
    MultiGzDecoder::new(compressed)
        .take(most)
        .read_to_end(&mut inflated)
        .map_err(|_| Problem::new(Code::MalformedJson).detail("the body is not valid gzip"))?;
    if inflated.len() > BODY_LIMIT_BYTES {
        return Err(too_large());
    }
    Ok(inflated)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_body_is_inflated_up_to_the_limit_and_no_further() {
        let whole = vec![b' '; BODY_LIMIT_BYTES];
        assert_eq!(inflate(&gzip(&whole)).unwrap(), whole);
        let bomb = gzip(&vec![0; 64 * BODY_LIMIT_BYTES]);
        assert!(bomb.len() < BODY_LIMIT_BYTES);
        assert_eq!(inflate(&bomb).unwrap_err().code, Code::BodyTooLarge);
        let members = [gzip(b"{}"), gzip(&whole)].concat();
        assert_eq!(inflate(&members).unwrap_err().code, Code::BodyTooLarge);
    }

    #[test]
    fn what_is_no_gzip_is_malformed() {
        let cut = gzip(b"{\"events\":[]}");
        for bytes in [&b"{}"[..], &cut[..cut.len() - 6], b""] {
            let problem = inflate(bytes).unwrap_err();
            assert_eq!(problem.code, Code::MalformedJson, "{bytes:?}");
        }
    }
}
