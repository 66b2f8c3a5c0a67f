//! Faults of publications: as many and as long as one item of the table can keep.

use kit::problem::Chain;

use crate::{
    StoreError,
    published::{Publication, PublicationFault},
};

/// The most faults that are kept of a failed publication.
const MOST: usize = 100;

/// The most bytes that are kept of a fault's message.
const MESSAGE: usize = 500;

/// The most bytes that are kept of a fault's pointer.
const POINTER: usize = 250;

/// A fault of the whole.
pub(super) fn fault(code: &str, message: String) -> PublicationFault {
    PublicationFault {
        item: None,
        pointer: String::new(),
        code: code.to_owned(),
        message,
    }
}

/// The fault of bytes that are more than `limit`.
pub(super) fn within(code: &str, bytes: &[u8], limit: usize) -> Result<(), Vec<PublicationFault>> {
    let size = bytes.len();
    let told = || format!("{size} bytes of at most {limit}");
    (size <= limit)
        .then_some(())
        .ok_or_else(|| vec![fault(code, told())])
}

/// The fault of a publication that the store does not let be carried out. What exactly was said,
/// and about whom, is for the log.
pub(super) fn refusal(publication: &Publication, error: &StoreError) -> PublicationFault {
    let Publication { kind, id, .. } = publication;
    tracing::error!(%kind, %id, error = %Chain(error), "the publication cannot be carried out");
    let (code, message) = match error {
        StoreError::Corrupt { place, what } => ("store_corrupt", format!("{place}: {what}")),
        StoreError::TooLarge { .. } => ("store_too_large", error.to_string()),
        StoreError::Refused {
            operation, place, ..
        } => ("store_refused", format!("{operation} on {place}: refused")),
        other => ("store_refused", other.to_string()),
    };
    fault(code, message)
}

/// What is kept of `faults`.
pub(super) fn kept(faults: Vec<PublicationFault>) -> Vec<PublicationFault> {
    let shortened = |mut fault: PublicationFault| {
        shorten(&mut fault.pointer, POINTER);
        shorten(&mut fault.message, MESSAGE);
        fault
    };
    faults.into_iter().take(MOST).map(shortened).collect()
}

/// Cuts a text, and shows that it was cut.
fn shorten(text: &mut String, limit: usize) {
    const CUT: &str = "…";
    if text.len() > limit {
        text.truncate(text.floor_char_boundary(limit.saturating_sub(CUT.len())));
        text.push_str(CUT);
    }
}
