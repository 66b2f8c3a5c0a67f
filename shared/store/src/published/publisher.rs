//! The publisher: runs a publication, as often as it takes, to one and the same end.
//!
//! Actions on the Content table: GetItem, Query, TransactWriteItems (as PutItem, UpdateItem,
//! DeleteItem); on the bucket: s3:PutObject, s3:GetObject.

use domain::{
    Instant, RandomId,
    content::{Changes, CompileError, Kind, changes},
};
use kit::problem::Chain;

use crate::{
    Blobs, Drafts, StoreError, Table,
    blobs::{BlobKey, sha256},
    keys,
    published::{
        ARTEFACT_LIMIT, Artefact, Compiler, Freezer, FrozenItems, Goal, Head, Origin, Publication,
        PublicationFault, Publications, State, Version, Versions,
        faults::{self, fault, within},
    },
    table::{ABSENT, number, pause, string},
    transaction::Transaction,
};

/// How often a publication is begun again when others publish at the same time.
const ATTEMPTS: u32 = 8;

/// Runs publications.
#[derive(Debug, Clone)]
pub struct Publisher {
    content: Table,
    blobs: Blobs,
    compiler: Compiler,
}

/// A source that was found good, with what was made of it.
struct Compiled {
    items: FrozenItems,
    source: Vec<u8>,
    artefact: Vec<u8>,
    format: u16,
}

impl Publisher {
    /// Takes the Content table, the blobs and the rules.
    pub fn new(content: Table, blobs: Blobs, compiler: Compiler) -> Self {
        Self {
            content,
            blobs,
            compiler,
        }
    }

    /// Brings a publication to its end and returns it; `None` where there is no such
    /// publication. Run again, or by two workers at once, it makes the same one version.
    ///
    /// An error that may pass leaves it running and pending: run it again later. One that will not
    /// fails it, so that it does not stand in the way of others for ever.
    pub async fn run(
        &self,
        kind: Kind,
        id: RandomId,
        now: Instant,
    ) -> Result<Option<Publication>, StoreError> {
        let publications = Publications::new(self.content.clone());
        let mut attempt = 0;
        loop {
            let Some(publication) = publications.get(kind, id).await? else {
                return Ok(None);
            };
            if publication.state != State::Running {
                return Ok(Some(publication));
            }
            let ended = match self.attempt(&publication, now).await {
                Err(error) if error.is_lasting() => {
                    let fault = faults::refusal(&publication, &error);
                    self.fail(&publication, vec![fault], now).await
                }
                ended => ended,
            };
            match ended {
                // Another worker or another publication was faster. What it left is looked at.
                Err(StoreError::Conflict { .. } | StoreError::Throttled { .. })
                    if attempt < ATTEMPTS =>
                {
                    attempt += 1;
                    pause(attempt).await;
                }
                ended => ended?,
            }
        }
    }

    async fn attempt(&self, publication: &Publication, now: Instant) -> Result<(), StoreError> {
        let head = Versions::new(self.content.clone())
            .head(publication.kind)
            .await?;
        let items = match self.items(publication).await {
            Err(error) if error.is_lasting() => {
                let code = match error {
                    StoreError::TooLarge { .. } => "source_too_large",
                    _ => "source_unreadable",
                };
                let fault = PublicationFault {
                    code: code.to_owned(),
                    ..faults::refusal(publication, &error)
                };
                return self.fail(publication, vec![fault], now).await;
            }
            items => items?,
        };
        match self.compile(publication.kind, items).await? {
            Ok(_) if publication.goal == Goal::Validate => {
                self.end(publication, State::Valid, Vec::new(), now).await
            }
            Ok(compiled) => self.release(publication, head, compiled, now).await,
            Err(faults) => self.fail(publication, faults, now).await,
        }
    }

    /// Returns the items to publish. Drafts are frozen page by page.
    async fn items(&self, publication: &Publication) -> Result<FrozenItems, StoreError> {
        let kind = publication.kind;
        match publication.origin {
            Origin::Drafts => {
                let drafts = Drafts::new(self.content.clone());
                let mut freezer = Freezer::default();
                // The artefact of other kinds is this JSON: it is not built to be refused for its size.
                let limit_bytes = match kind {
                    Kind::Campaigns => usize::MAX,
                    _ => ARTEFACT_LIMIT,
                };
                if !drafts.freeze(kind, &mut freezer, limit_bytes).await? {
                    return Err(StoreError::TooLarge {
                        what: "the JSON of a set",
                        size_bytes: freezer.json_bytes(),
                        limit_bytes,
                    });
                }
                freezer.finish()
            }
            Origin::Version(number) => Versions::new(self.content.clone())
                .source(&self.blobs, kind, number)
                .await?
                .ok_or_else(|| StoreError::corrupt(&format!("version {number}"), "missing")),
        }
    }

    /// Compiling is work for a processor, not for the thread that serves others meanwhile. A panic
    /// of the rules is a fault of the publication.
    async fn compile(
        &self,
        kind: Kind,
        items: FrozenItems,
    ) -> Result<Result<Compiled, Vec<PublicationFault>>, StoreError> {
        let compiler = self.compiler;
        let work = move || {
            let format = (compiler.format)(kind);
            let artefact = (compiler.compile)(kind, &items).map_err(|error| match error {
                CompileError::Faults(faults) => faults.into_iter().map(Into::into).collect(),
                CompileError::Unreadable(error) => {
                    vec![fault("source_unreadable", Chain(&error).to_string())]
                }
                CompileError::TooLarge { .. } => {
                    vec![fault("artefact_too_large", error.to_string())]
                }
                CompileError::Write(error) => {
                    vec![fault("artefact_unwritable", Chain(&*error).to_string())]
                }
            })?;
            within("artefact_too_large", &artefact, ARTEFACT_LIMIT)?;
            (compiler.check)(kind, format, &artefact)
                .map_err(|refusal| vec![fault("artefact_refused", refusal.to_string())])?;
            let source = items.to_bytes();
            Ok(Compiled {
                items,
                source,
                artefact,
                format,
            })
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(compiled) => Ok(compiled),
            Err(failed) if failed.is_panic() => {
                tracing::error!(%kind, error = %failed, "compiling panicked");
                let message = "a bug of ours; the worker's log has more".to_owned();
                Ok(Err(vec![fault("compiler_broken", message)]))
            }
            // The process is being ended.
            Err(cancelled) => Err(StoreError::Unavailable {
                operation: "compiling",
                place: kind.to_string(),
                source: Box::new(cancelled),
            }),
        }
    }

    /// Writes the blobs, sees that they can be read, and makes the version in one transaction.
    async fn release(
        &self,
        publication: &Publication,
        head: Option<Head>,
        compiled: Compiled,
        now: Instant,
    ) -> Result<(), StoreError> {
        let kind = publication.kind;
        let version = head.as_ref().map_or(0, |head| head.version) + 1;
        let source_sha256 = sha256(&compiled.source);
        let artefact = Artefact {
            version,
            format: compiled.format,
            sha256: sha256(&compiled.artefact),
            size_bytes: compiled.artefact.len(),
        };
        self.put_and_look(
            &BlobKey::source(kind, version, &source_sha256),
            compiled.source,
        )
        .await?;
        self.put_and_look(
            &BlobKey::artefact(kind, version, artefact.format, &artefact.sha256),
            compiled.artefact,
        )
        .await?;
        let record = Version {
            version,
            author: publication.author.clone(),
            note: publication.note.clone(),
            published_at: now,
            publication: publication.id,
            restored_from: match publication.origin {
                Origin::Drafts => None,
                Origin::Version(number) => Some(number),
            },
            changes: self.changes(kind, head.as_ref(), &compiled.items).await?,
            items: compiled.items.len(),
            source_sha256,
            source_chunks: Some(compiled.items.index()),
            artefact: artefact.clone(),
        };
        let next = Head {
            version,
            published_at: now,
            artefact,
            previous: head.as_ref().map(|head| head.artefact.clone()),
        };
        let version_item = self
            .content
            .encode(&keys::version(kind, version), &record)?;
        let head_item = self.content.encode(&keys::head(kind), &next)?;
        let transaction = Transaction::new(&self.content).put_if(version_item, ABSENT, [])?;
        let transaction = match head {
            None => transaction.put_if(head_item, ABSENT, []),
            Some(head) => transaction.put_if(
                head_item,
                "version = :before",
                [(":before", number(head.version))],
            ),
        }?;
        transaction
            .update_if(
                &keys::publication(kind, publication.id),
                "SET phase = :live, version = :version, finished_at = :now",
                STILL_RUNNING,
                [
                    (":live", string("live")),
                    (":version", number(version)),
                    (":now", string(now)),
                    (":running", string("running")),
                ],
            )?
            .delete(&keys::pending(kind, publication.id))?
            .commit()
            .await
    }

    /// A version must never name a blob that is not what it should be.
    async fn put_and_look(&self, key: &BlobKey, bytes: Vec<u8>) -> Result<(), StoreError> {
        let size = bytes.len();
        let expected = sha256(&bytes);
        self.blobs.put(key, bytes).await?;
        let found = self.blobs.get(key, size).await?.unwrap_or_default();
        if sha256(&found) != expected {
            return Err(StoreError::corrupt(
                &key.to_string(),
                "not what was written a moment ago",
            ));
        }
        Ok(())
    }

    /// Counts how the items differ from the live ones. Those of a source that cannot be read any more,
    /// damaged, deleted or refused, count as none, because a summary must not prevent a repair.
    async fn changes(
        &self,
        kind: Kind,
        head: Option<&Head>,
        after: &FrozenItems,
    ) -> Result<Changes, StoreError> {
        let before = match head {
            Some(head) => self.live(kind, head.version).await?,
            None => FrozenItems::default(),
        };
        let counted = changes(before.texts(), after.texts());
        counted.map_err(|error| StoreError::corrupt("a source", Chain(&error)))
    }

    async fn live(&self, kind: Kind, version: u64) -> Result<FrozenItems, StoreError> {
        let versions = Versions::new(self.content.clone());
        match versions.source(&self.blobs, kind, version).await {
            Err(error) if error.is_lasting() => {
                tracing::warn!(%kind, snapshot_version = version, error = %Chain(&error), "live source unreadable, changes not counted");
                Ok(FrozenItems::default())
            }
            found => Ok(found?.unwrap_or_default()),
        }
    }

    async fn fail(
        &self,
        publication: &Publication,
        faults: Vec<PublicationFault>,
        now: Instant,
    ) -> Result<(), StoreError> {
        self.end(publication, State::Failed, faults, now).await
    }

    /// Ends a publication that makes no version.
    async fn end(
        &self,
        publication: &Publication,
        state: State,
        faults: Vec<PublicationFault>,
        now: Instant,
    ) -> Result<(), StoreError> {
        let corrupt = |error| StoreError::corrupt(self.content.name(), error);
        let state = serde_dynamo::to_attribute_value(state).map_err(corrupt)?;
        let kept = serde_dynamo::to_attribute_value(faults::kept(faults)).map_err(corrupt)?;
        Transaction::new(&self.content)
            .update_if(
                &keys::publication(publication.kind, publication.id),
                "SET phase = :state, faults = :faults, finished_at = :now",
                STILL_RUNNING,
                [
                    (":state", state),
                    (":faults", kept),
                    (":now", string(now)),
                    (":running", string("running")),
                ],
            )?
            .delete(&keys::pending(publication.kind, publication.id))?
            .commit()
            .await
    }
}

/// The condition of a publication's end: nobody else has ended it.
const STILL_RUNNING: &str = "phase = :running";
