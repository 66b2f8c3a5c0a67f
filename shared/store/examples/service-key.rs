//! Makes, rotates, retires and revokes service keys of a stage, with the AWS settings of the
//! environment. `create` and `rotate` print the plaintext, once; it is kept nowhere else.
//!
//! ```text
//! service-key create <table> <id> <scope>…
//! service-key rotate <table> <id>     both secrets are good
//! service-key retire <table> <id>     only the newest is good
//! service-key revoke <table> <id>
//! ```

use std::{env, error::Error, io::Write};

use aws::Pace;
use domain::Id;
use kit::{Clock, Vars};
use store::{Database, ServiceKeys, Stamp, service_keys::Plaintext};

const USAGE: &str = "usage: service-key create|rotate|retire|revoke TABLE ID [SCOPE…]";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [action, table, id, scopes @ ..] = arguments.as_slice() else {
        return Err(USAGE.into());
    };
    let id: Id = id.parse()?;
    let vars: Vars = env::vars().collect();
    let clock = Clock::system();
    let aws = aws::connect(&vars, "service-key", clock.clone())?;
    let keys = ServiceKeys::new(Database::connect(&aws, Pace::NORMAL).table(table));
    let mut rng = rand::rng();
    let stamp = Stamp::random(&mut rng);
    let key = Plaintext::random(id.clone(), &mut rng);
    match action.as_str() {
        "create" if !scopes.is_empty() => keys.create(&key, scopes, stamp, clock.now()).await?,
        "rotate" => found(keys.rotate(&key, stamp, clock.now()).await?)?,
        "retire" => return found(keys.retire(&id, stamp).await?),
        "revoke" => return found(keys.revoke(&id, clock.now()).await?),
        _ => return Err(USAGE.into()),
    }
    writeln!(std::io::stdout(), "{}", key.reveal())?;
    Ok(())
}

fn found(known: bool) -> Result<(), Box<dyn Error>> {
    known
        .then_some(())
        .ok_or_else(|| "there is no such key".into())
}
