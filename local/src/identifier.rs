//! Random identifiers in the forms that AWS gives them.

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;

/// A version 4 UUID, as Lambda names invocations and EventBridge names events.
pub(crate) fn uuid() -> String {
    let mut bytes: [u8; 16] = rand::random();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex(&bytes);
    let (a, rest) = hex.split_at(8);
    let (b, rest) = rest.split_at(4);
    let (c, rest) = rest.split_at(4);
    let (d, e) = rest.split_at(4);
    format!("{a}-{b}-{c}-{d}-{e}")
}

/// An HTTP API's request id.
pub(crate) fn request() -> String {
    STANDARD.encode(rand::random::<[u8; 11]>())
}

/// A new X-Ray trace header, not sampled.
pub(crate) fn trace() -> String {
    let seconds = Timestamp::now().as_second();
    format!("Root=1-{seconds:08x}-{}", hex(&rand::random::<[u8; 12]>()))
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_have_the_forms_that_aws_gives_them() {
        let uuid = uuid();
        assert_eq!(uuid.len(), 36);
        assert_eq!(uuid.as_bytes()[14], b'4');
        assert!(matches!(uuid.as_bytes()[19], b'8' | b'9' | b'a' | b'b'));
        assert_eq!(request().len(), 16);
        assert_eq!(
            trace().len(),
            "Root=1-5759e988-bd862e3fe1be46a994272793".len()
        );
    }
}
