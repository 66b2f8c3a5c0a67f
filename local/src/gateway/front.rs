//! Where the gateway works: on a thread of its own, as API Gateway is a machine of its own. What it
//! refuses does not wait for functions, however many of them are at work.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
};

use super::{Gateway, LIMITS};
use crate::http1::Server;

/// A gateway that answers.
pub(crate) struct Front {
    server: Server,
    _runtime: Apart,
}

impl Front {
    /// Starts to answer on `listener`.
    ///
    /// # Errors
    /// The thread or the listener.
    pub(crate) fn start(listener: std::net::TcpListener, gateway: Gateway) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("gateway")
            .enable_all()
            .build()?;
        let server = {
            let _on_its_thread = runtime.enter();
            Server::start(TcpListener::from_std(listener)?, LIMITS, Arc::new(gateway))?
        };
        Ok(Self {
            server,
            _runtime: Apart(Some(runtime)),
        })
    }

    /// As [`Server::stop`].
    pub(crate) async fn stop(self, grace: Duration) {
        self.server.stop(grace).await;
    }
}

/// A runtime that may be dropped on another one: what still runs on it is left behind.
struct Apart(Option<Runtime>);

impl Drop for Apart {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
