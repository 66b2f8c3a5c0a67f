//! Links that operators write and apps open.

text_type! {
    /// An absolute `http` or `https` URL in ASCII, of at most 2,048 characters. It is safe to put in
    /// a `Location` header and in an HTML attribute.
    pub struct HttpUrl {
        expected: "an http or https URL",
        length: 1..=2048,
        pattern: r"^https?://[A-Za-z0-9\[][!#-;=?-\[\]_a-z~]*$",
        accept: |text| {
            let rest = text
                .strip_prefix("https://")
                .or_else(|| text.strip_prefix("http://"))
                .unwrap_or_default();
            rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[')
                && rest.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b))
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_web_links_and_nothing_that_could_break_a_header() {
        for good in [
            "http://a",
            "https://example.com/a/b?c=d&e=%ED%95%9C#f",
            "https://[::1]:8080/",
            "https://play.google.com/store/apps/details?id=com.example",
        ] {
            assert!(good.parse::<HttpUrl>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "http://",
            "https:///path",
            "ftp://example.com",
            "javascript:alert(1)",
            "//example.com",
            "HTTPS://example.com",
            "https://example.com/\r\nSet-Cookie: a=b",
            "https://example.com/a b",
            "https://example.com/\"onload=",
            "https://예시.com",
            &format!("https://example.com/{}", "a".repeat(2048)),
        ] {
            assert!(bad.parse::<HttpUrl>().is_err(), "{bad}");
        }
    }
}
