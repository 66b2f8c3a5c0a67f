//! How a part of the stack is told to stop.

use tokio::sync::watch;

/// Tells everything that watches it to stop; so does dropping it.
#[derive(Debug)]
pub struct Stop(watch::Sender<bool>);

/// Watches for the word to stop.
#[derive(Debug, Clone)]
pub struct Stopped(watch::Receiver<bool>);

impl Stop {
    /// A signal and its watcher, which may be cloned.
    #[must_use]
    pub fn new() -> (Self, Stopped) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), Stopped(receiver))
    }

    /// Gives the word.
    pub fn give(&self) {
        self.0.send_replace(true);
    }
}

impl Stopped {
    /// Returns once the word is given.
    pub async fn wait(&mut self) {
        // An error is a dropped signal, which means the same.
        let _ = self.0.wait_for(|given| *given).await;
    }

    /// Whether the word has been given.
    #[must_use]
    pub fn is_given(&self) -> bool {
        *self.0.borrow()
    }
}
