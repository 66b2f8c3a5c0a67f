//! Where something is within a document, known at no cost: the pointer is written only for what is
//! wrong.

use std::fmt::{self, Display, Write};

/// A place in a document, as the way from the place above it. Shown as a JSON pointer (RFC 6901).
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'a> {
    /// The document itself.
    Document,
    /// A member of the object at a place.
    Member(&'a Place<'a>, &'a str),
    /// An element of the array at a place.
    Element(&'a Place<'a>, usize),
}

impl Display for Place<'_> {
    /// A member's name is written one character at a time, so that a writer which has enough need not
    /// wait for its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Document => Ok(()),
            Self::Member(above, name) => {
                write!(f, "{above}/")?;
                name.chars().try_for_each(|character| match character {
                    '~' => f.write_str("~0"),
                    '/' => f.write_str("~1"),
                    _ => f.write_char(character),
                })
            }
            Self::Element(above, index) => write!(f, "{above}/{index}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_shown_as_a_json_pointer() {
        let member = Place::Member(&Place::Document, "a/b~c");
        let element = Place::Element(&member, 3);
        let empty = Place::Member(&element, "");
        assert_eq!(Place::Document.to_string(), "");
        assert_eq!(empty.to_string(), "/a~1b~0c/3/");
    }
}
