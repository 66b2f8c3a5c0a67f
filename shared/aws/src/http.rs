//! The one HTTPS client: Amazon's roots embedded, and no connection kept over a freeze.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use aws_smithy_http_client::{
    Builder,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector},
    runtime_components::RuntimeComponents,
};

/// The certificate authorities that AWS's endpoints are signed by; `roots/README.md` says more.
const ROOTS: [&str; 5] = [
    include_str!("../roots/amazon-root-ca-1.pem"),
    include_str!("../roots/amazon-root-ca-2.pem"),
    include_str!("../roots/amazon-root-ca-3.pem"),
    include_str!("../roots/amazon-root-ca-4.pem"),
    include_str!("../roots/starfield-services-root-ca-g2.pem"),
];

/// An idle connection is closed after this, while the process runs.
const IDLE: Duration = Duration::from_secs(20);

/// After this long without a call the process may have been frozen, and connections may be dead
/// without anybody having been told. Measured by the wall clock: the monotonic clock, by which the
/// pool itself ages connections, need not advance while a sandbox is frozen.
const THAW: Duration = Duration::from_secs(10);

/// A client without connections. It reads the clock of the SDK client that calls it.
pub(crate) fn client() -> SharedHttpClient {
    SharedHttpClient::new(FreshAfterThaw(Mutex::new(None)))
}

/// Replaces the whole pool when the last call was too long ago. A call still under way keeps the
/// pool that it began with.
#[derive(Debug)]
struct FreshAfterThaw(Mutex<Option<Pool>>);

#[derive(Debug)]
struct Pool {
    client: SharedHttpClient,
    last_used: SystemTime,
}

impl HttpClient for FreshAfterThaw {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let now = components
            .time_source()
            .map_or_else(SystemTime::now, |time| time.now());
        let mut pool = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let client = match pool.take() {
            Some(pool) if !frozen_between(pool.last_used, now) => pool.client,
            _ => new_pool(),
        };
        let connector = client.http_connector(settings, components);
        *pool = Some(Pool {
            client,
            last_used: now,
        });
        connector
    }
}

/// A clock that was set back says nothing about a freeze.
fn frozen_between(last_used: SystemTime, now: SystemTime) -> bool {
    now.duration_since(last_used).is_ok_and(|gap| gap > THAW)
}

fn new_pool() -> SharedHttpClient {
    let roots = ROOTS
        .into_iter()
        .fold(TrustStore::empty(), TrustStore::with_pem_certificate);
    let builder = Builder::new()
        .pool_idle_timeout(IDLE)
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc));
    match TlsContext::builder().with_trust_store(roots).build() {
        Ok(context) => builder.tls_context(context).build_https(),
        // Never taken today: building a context cannot fail. Should it, the machine's own
        // certificate store is the safe choice.
        Err(_) => builder.build_https(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn only_a_long_gap_by_the_wall_clock_is_a_freeze() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        for (last_used, now, frozen) in [
            (100, 100, false),
            (100, 110, false),
            (100, 111, true),
            (100, 4_000, true),
            (100, 40, false),
        ] {
            assert_eq!(
                frozen_between(at(last_used), at(now)),
                frozen,
                "{last_used} to {now}"
            );
        }
    }

    #[test]
    fn every_embedded_root_is_one_certificate() {
        for root in ROOTS {
            assert_eq!(root.matches("-----BEGIN CERTIFICATE-----").count(), 1);
            assert_eq!(root.matches("-----END CERTIFICATE-----").count(), 1);
        }
    }
}
