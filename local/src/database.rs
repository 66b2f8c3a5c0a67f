//! DynamoDB: an embedded engine with the template's tables, kept in one file, behind its own HTTP
//! server on loopback. It works synchronously, so it has a thread and a runtime of its own.

use std::{io, net::TcpListener, path::Path, thread, time::Duration};

use dynoxide::{Database as Engine, DynoxideError};
use serde::Deserialize;
use serde_json::json;
use tokio::{
    sync::oneshot,
    time::{MissedTickBehavior, interval, timeout},
};

use tracing::subscriber::NoSubscriber;

use crate::{
    say::say,
    template::{Table, TableSchema},
};

/// How often expired items are deleted.
const SWEEP: Duration = Duration::from_secs(60);
/// How long requests that are running may take when the database is told to stop.
const DRAIN: Duration = Duration::from_secs(2);

/// A running database.
#[derive(Debug)]
pub struct Database {
    endpoint: String,
    created: Vec<String>,
    stop: oneshot::Sender<()>,
    thread: thread::JoinHandle<()>,
}

/// Why the database did not start.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The file cannot be opened or an operation failed.
    #[error("database: {0}")]
    Engine(#[from] DynoxideError),
    /// A request to the engine or its answer was not of the expected shape.
    #[error("database: {0}")]
    Shape(#[from] serde_json::Error),
    /// The port or the thread.
    #[error("database: {0}")]
    Io(#[from] io::Error),
    /// The path of the file is not UTF-8.
    #[error("database: {0} is not UTF-8")]
    Path(String),
    /// A table that is already there has other keys or indexes than the template says.
    #[error(
        "table {0} differs from the template in its keys or indexes: start once with FRESH=1 to empty it"
    )]
    SchemaChanged(String),
}

impl Database {
    /// Opens the file, creates the tables that are missing, and serves it on `listener`.
    ///
    /// # Errors
    /// The file cannot be opened, or holds a table of another schema.
    pub fn start(
        file: &Path,
        listener: TcpListener,
        tables: &[Table],
    ) -> Result<Self, DatabaseError> {
        let path = file
            .to_str()
            .ok_or_else(|| DatabaseError::Path(file.display().to_string()))?;
        let engine = Engine::new(path)?;
        // Leaves SQLite at `synchronous = NORMAL`: what was acknowledged survives the end of this
        // process, only a power cut may take the last of it. The default waits for the disk at
        // every write, milliseconds in which nothing else is answered.
        engine.enable_bulk_loading()?;
        engine.disable_bulk_loading()?;
        let created = prepare(&engine, tables)?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("database".to_owned())
            .spawn(move || {
                // The engine warns of every failed condition, which is everyday life here.
                let _quiet = tracing::subscriber::set_default(NoSubscriber::default());
                if let Err(error) = runtime.block_on(serve(listener, engine, stopped)) {
                    say(format_args!("database: {error}"));
                }
                // Closes what a client left open; the engine closes its file with the last of them.
                runtime.shutdown_timeout(DRAIN);
            })?;
        Ok(Self {
            endpoint,
            created,
            stop,
            thread,
        })
    }

    /// Where the DynamoDB API is served.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The tables that were not there before.
    #[must_use]
    pub fn created(&self) -> &[String] {
        &self.created
    }

    /// Lets running requests finish and closes the file.
    pub async fn stop(self) {
        // The thread may have ended by itself; then there is nobody to tell and nothing to wait for.
        let _ = self.stop.send(());
        let thread = self.thread;
        if let Ok(Err(_)) = tokio::task::spawn_blocking(move || thread.join()).await {
            say("database: its thread panicked");
        }
    }
}

async fn serve(
    listener: TcpListener,
    engine: Engine,
    stopped: oneshot::Receiver<()>,
) -> Result<(), String> {
    let listener =
        tokio::net::TcpListener::from_std(listener).map_err(|error| error.to_string())?;
    let sweeping = tokio::spawn(sweep(engine.clone()));
    let (drain, draining) = oneshot::channel();
    let server = dynoxide::server::serve_with_shutdown(listener, engine, async {
        // A sender that is gone means the same.
        let _ = stopped.await;
        let _ = drain.send(());
    });
    let patience = async {
        let _ = draining.await;
        tokio::time::sleep(DRAIN).await;
    };
    let outcome = tokio::select! {
        outcome = server => outcome,
        () = patience => Ok(()),
    };
    sweeping.abort();
    outcome
}

/// Deletes expired items, as DynamoDB does in its own time. The engine never does it by itself.
async fn sweep(engine: Engine) {
    let mut ticks = interval(SWEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let engine = engine.clone();
        // On a thread of its own: a sweep gives way to requests between its pages.
        let swept = tokio::task::spawn_blocking(move || engine.sweep_ttl());
        if let Ok(Ok(Err(error))) = timeout(SWEEP, swept).await {
            say(format_args!(
                "database: expired items were not deleted: {error}"
            ));
        }
    }
}

/// Creates the tables that are missing and returns their names.
fn prepare(engine: &Engine, tables: &[Table]) -> Result<Vec<String>, DatabaseError> {
    let mut created = Vec::new();
    for table in tables {
        if engine.get_table_metadata(&table.name)?.is_none() {
            create(engine, table)?;
            created.push(table.name.clone());
        } else if description(engine, table)?.sorted() != table.schema.clone().sorted() {
            return Err(DatabaseError::SchemaChanged(table.name.clone()));
        }
        set_ttl(engine, table)?;
    }
    Ok(created)
}

fn create(engine: &Engine, table: &Table) -> Result<(), DatabaseError> {
    let mut request = serde_json::to_value(&table.schema)?;
    if let Some(fields) = request.as_object_mut() {
        fields.insert("TableName".to_owned(), json!(table.name));
        fields.insert("BillingMode".to_owned(), json!("PAY_PER_REQUEST"));
    }
    engine.create_table(serde_json::from_value(request)?)?;
    Ok(())
}

fn description(engine: &Engine, table: &Table) -> Result<TableSchema, DatabaseError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Description {
        table: TableSchema,
    }
    let request = serde_json::from_value(json!({ "TableName": table.name }))?;
    let described = serde_json::to_value(engine.describe_table(request)?)?;
    Ok(serde_json::from_value::<Description>(described)?.table)
}

/// Makes items expire by the attribute that the template names, or not at all.
fn set_ttl(engine: &Engine, table: &Table) -> Result<(), DatabaseError> {
    let request = serde_json::from_value(json!({ "TableName": table.name }))?;
    let current = engine
        .describe_time_to_live(request)?
        .time_to_live_description
        .attribute_name;
    if current == table.ttl_attribute {
        return Ok(());
    }
    let changes = [(current, false), (table.ttl_attribute.clone(), true)];
    for (attribute, enabled) in changes {
        if let Some(attribute) = attribute {
            let request = json!({
                "TableName": table.name,
                "TimeToLiveSpecification": { "AttributeName": attribute, "Enabled": enabled },
            });
            engine.update_time_to_live(serde_json::from_value(request)?)?;
        }
    }
    Ok(())
}
