//! What a check found wrong, each with the mend; all of it is told at once.

use std::fmt;

/// Faults of one check.
#[derive(Debug, Default)]
pub struct Findings(Vec<String>);

impl Findings {
    /// Notes one fault: what is wrong, and what to do about it.
    pub fn note(&mut self, fault: impl Into<String>, mend: impl AsRef<str>) {
        let mend = mend.as_ref().trim_end().replace('\n', "\n      ");
        self.0.push(format!("{}\n  mend: {mend}", fault.into()));
    }

    /// Notes a fault unless `holds`.
    pub fn expect(&mut self, holds: bool, fault: impl Into<String>, mend: impl AsRef<str>) {
        if !holds {
            self.note(fault, mend);
        }
    }

    /// Ends the check.
    ///
    /// # Errors
    /// Something was noted.
    pub fn done(self) -> Outcome {
        match self.0.as_slice() {
            [] => Ok(()),
            found => {
                Err(anyhow::anyhow!("{} found:\n\n{}\n", found.len(), found.join("\n\n")).into())
            }
        }
    }
}

/// What a test gives back: nothing, or what went wrong.
pub type Outcome = Result<(), Trouble>;

/// An error as a test prints it: its message and causes, without the stack of the test harness.
pub struct Trouble(anyhow::Error);

impl<E: Into<anyhow::Error>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl fmt::Debug for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.0)
    }
}
