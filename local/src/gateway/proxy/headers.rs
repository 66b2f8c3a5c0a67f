//! Headers on their way through the gateway: what belongs to one connection stays there, and what
//! the gateway knows of the client is told as API Gateway tells it, in `Forwarded` and `Via` and not
//! in `X-Forwarded-…`
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-parameter-mapping.html#http-api-mapping-reserved-headers>).

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::http1::Request;

/// Headers of one connection beside those that `Connection` names: RFC 9110, section 7.6.1, and
/// `Expect`, which the gateway has answered.
const HOPS: [&str; 10] = [
    "connection",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What the gateway says itself, whatever the client said.
const REPLACED: [&str; 8] = [
    "content-length",
    "forwarded",
    "host",
    "x-amzn-trace-id",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
];

const VIA: &str = "HTTP/1.1 AmazonAPIGateway";

/// A request's headers as the origin gets them, but for `Host`; `None` where one cannot be sent.
pub(super) fn passed_on(
    request: &Request,
    removed: &[HeaderName],
    trace: &str,
) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        let name = HeaderName::try_from(name).ok()?;
        let value = HeaderValue::from_bytes(value.as_bytes()).ok()?;
        headers.append(name, value);
    }
    strip_hops(&mut headers);
    for name in REPLACED {
        headers.remove(name);
    }
    for name in removed {
        headers.remove(name);
    }
    if !request.body.is_empty() || request.header("content-length").is_some() {
        headers.insert(header::CONTENT_LENGTH, request.body.len().into());
    }
    headers.append(header::VIA, HeaderValue::from_static(VIA));
    headers.insert(
        header::FORWARDED,
        HeaderValue::try_from(forwarded(request)).ok()?,
    );
    let trace = HeaderValue::try_from(trace).ok()?;
    headers.insert(HeaderName::from_static("x-amzn-trace-id"), trace);
    Some(headers)
}

/// Takes out what belongs to the connection that the headers came by.
pub(super) fn strip_hops(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::try_from(name.trim()).ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in HOPS {
        headers.remove(name);
    }
}

/// The way that the request came, RFC 7239: what the client claims of it, and last what the gateway
/// saw, which is all that an origin may believe.
fn forwarded(request: &Request) -> String {
    let claimed = request
        .headers
        .iter()
        .filter(|(name, value)| name == "forwarded" && is_closed(value))
        .map(|(_, value)| value.clone());
    let older = request
        .headers
        .iter()
        .filter(|(name, _)| name == "x-forwarded-for")
        .flat_map(|(_, value)| value.split(','))
        .filter_map(|hop| hop.trim().parse::<IpAddr>().ok())
        .map(|hop| format!("for={}", node(hop)));
    let mut seen = format!(
        "by={};for={}",
        node(request.local.ip()),
        node(request.peer.ip())
    );
    if let Some(host) = request.header("host") {
        seen.push_str(";host=");
        seen.push_str(&quoted(host));
    }
    seen.push_str(";proto=http");
    claimed
        .chain(older)
        .chain([seen])
        .collect::<Vec<_>>()
        .join(", ")
}

/// Whether what follows a value is still read as what follows it: no quotation is left open.
fn is_closed(value: &str) -> bool {
    !value.contains('\\') && value.matches('"').count().is_multiple_of(2)
}

/// An address as a node of RFC 7239, section 6.
fn node(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("\"[{address}]\""),
    }
}

/// A token as it is, anything else in quotation marks.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn request(headers: &[(&str, &str)]) -> Request {
        Request {
            method: "GET".to_owned(),
            target: "/".to_owned(),
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            body: Bytes::new(),
            peer: "192.0.2.7:1000".parse().unwrap(),
            local: "127.0.0.1:3000".parse().unwrap(),
        }
    }

    #[test]
    fn the_gateways_own_element_is_last_and_cannot_be_swallowed() {
        let own = "by=127.0.0.1;for=192.0.2.7;host=h;proto=http";
        for (sent, expected) in [
            (("accept", "*/*"), own.to_owned()),
            (
                ("forwarded", "for=a, for=b"),
                format!("for=a, for=b, {own}"),
            ),
            (
                ("forwarded", "for=\"[::1]\""),
                format!("for=\"[::1]\", {own}"),
            ),
            (("forwarded", "for=\""), own.to_owned()),
            (("forwarded", "for=\"\\\""), own.to_owned()),
            (
                ("x-forwarded-for", "198.51.100.1, ::1,unknown, \"x"),
                format!("for=198.51.100.1, for=\"[::1]\", {own}"),
            ),
        ] {
            assert_eq!(forwarded(&request(&[sent, ("host", "h")])), expected);
        }
        let hostile = forwarded(&request(&[("host", "h\";for=\"10.0.0.1")]));
        assert_eq!(
            hostile,
            r#"by=127.0.0.1;for=192.0.2.7;host="h\";for=\"10.0.0.1";proto=http"#
        );
    }

    #[test]
    fn what_belongs_to_the_connection_stays_with_it() {
        let sent = request(&[
            ("host", "h"),
            ("connection", "close, X-Secret ,, bad name"),
            ("connection", "x-other"),
            ("x-secret", "1"),
            ("x-other", "2"),
            ("keep-alive", "timeout=5"),
            ("proxy-authorization", "Basic x"),
            ("te", "trailers"),
            ("trailer", "x"),
            ("upgrade", "h2c"),
            ("expect", "100-continue"),
            ("x-forwarded-proto", "https"),
            ("x-real-ip", "10.0.0.1"),
            ("x-kept", "3"),
            ("x-kept", "4"),
        ]);
        let removed = [HeaderName::from_static("x-real-ip")];
        let headers = passed_on(&sent, &removed, "Root=1-0-0").unwrap();
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["forwarded", "via", "x-amzn-trace-id", "x-kept"]);
        assert_eq!(headers.get_all("x-kept").iter().count(), 2);
    }
}
