//! Names as an app store shows them, and how they stand in HTML.

use kit::config::Setting;

/// A name as an app store shows it: 1 to 100 characters without control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreName(String);

impl StoreName {
    /// A name for stages in which none is configured.
    pub(crate) fn example(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// The name with the characters escaped that mean something in HTML text.
    pub(crate) fn html(&self) -> String {
        let mut html = String::with_capacity(self.0.len());
        for c in self.0.chars() {
            match c {
                '&' => html.push_str("&amp;"),
                '<' => html.push_str("&lt;"),
                '>' => html.push_str("&gt;"),
                '"' => html.push_str("&quot;"),
                '\'' => html.push_str("&#39;"),
                '{' => html.push_str("&#123;"),
                '}' => html.push_str("&#125;"),
                c => html.push(c),
            }
        }
        html
    }
}

impl Setting for StoreName {
    const EXPECTED: &'static str = "1 to 100 characters, none of them a control character";

    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let fits = (1..=100).contains(&text.chars().count());
        (fits && !text.chars().any(char::is_control)).then(|| Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_text_and_never_markup() {
        let name = StoreName::parse(" Tom & <b>\"Jerry\"</b> {style} ").unwrap();
        assert_eq!(
            name.html(),
            "Tom &amp; &lt;b&gt;&quot;Jerry&quot;&lt;/b&gt; &#123;style&#125;"
        );
        for refused in ["", " ", "a\nb", "a\u{7f}", &"가".repeat(101)] {
            assert_eq!(StoreName::parse(refused), None, "{refused:?}");
        }
    }
}
