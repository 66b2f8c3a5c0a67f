//! Blobs: what is too large for a table and never changes once it is written.
//!
//! A bucket when deployed, a folder on a laptop. Keys carry the checksum of what they name, so
//! writing one again writes the same bytes.
//!
//! Actions on the bucket: s3:GetObject (a look at a blob's size needs it too), s3:PutObject.

use std::{
    fmt, fs,
    io::{self, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
};

use aws::{Aws, Pace, Service};
use aws_sdk_s3::{
    Client,
    config::RequestChecksumCalculation,
    operation::{get_object::GetObjectError, head_object::HeadObjectError},
    primitives::ByteStream,
};
use domain::content::Kind;
use sha2::{Digest, Sha256};

use crate::StoreError;

/// Where blobs are kept.
#[derive(Debug, Clone)]
pub enum Blobs {
    /// In an S3 bucket.
    S3 {
        /// A client of [`Pace::BULK`].
        client: Client,
        /// The bucket's name.
        bucket: String,
    },
    /// In a folder of this machine.
    Files {
        /// The folder, made by the first write.
        dir: PathBuf,
    },
}

/// A blob's name: `<kind>/<version>/<part>-<sha-256>`, or `delivery/<sha-256>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobKey(String);

impl BlobKey {
    /// The frozen source of a version.
    pub fn source(kind: Kind, version: u64, sha256: &str) -> Self {
        Self(format!("{}/{version:010}/source-{sha256}", kind.as_str()))
    }

    /// A version's artefact in one format.
    pub fn artefact(kind: Kind, version: u64, format: u16, sha256: &str) -> Self {
        Self(format!(
            "{}/{version:010}/artefact-{format}-{sha256}",
            kind.as_str()
        ))
    }

    /// A delivery. The bucket forgets what lies under this name after some days.
    pub(crate) fn delivery(sha256: &str) -> Self {
        Self(format!("delivery/{sha256}"))
    }
}

impl fmt::Display for BlobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Blobs {
    /// The bucket, or, where the S3 endpoint is a `file:///…` address, the folder of the bucket's
    /// name under it.
    pub fn connect(aws: &Aws, bucket: &str) -> Self {
        let endpoint = aws.endpoint(Service::S3);
        if let Some(root) = endpoint.and_then(|url| url.strip_prefix("file://")) {
            return Self::Files {
                dir: Path::new(root).join(bucket),
            };
        }
        // A stand-in for S3 has no host name per bucket. The checksum is ours, in the key.
        let config = aws_sdk_s3::config::Builder::from(&aws.config(Service::S3, Pace::BULK))
            .force_path_style(endpoint.is_some())
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .build();
        Self::S3 {
            client: Client::from_conf(config),
            bucket: bucket.to_owned(),
        }
    }

    /// Stores `bytes`; once this is answered they outlive a crash of the machine.
    pub async fn put(&self, key: &BlobKey, bytes: Vec<u8>) -> Result<(), StoreError> {
        match self {
            Self::S3 { client, bucket } => {
                client
                    .put_object()
                    .bucket(bucket)
                    .key(&key.0)
                    .body(ByteStream::from(bytes))
                    .send()
                    .await
                    .map_err(|e| StoreError::from_sdk("PutObject", bucket, e))?;
                Ok(())
            }
            Self::Files { dir } => {
                let path = dir.join(&key.0);
                let place = dir.display().to_string();
                blocking("PutObject", place, move || write_durably(&path, &bytes)).await
            }
        }
    }

    /// The blob's bytes, `None` where there is no such blob. A blob of more than `limit` bytes is
    /// [`StoreError::TooLarge`] and is not read to its end.
    pub async fn get(&self, key: &BlobKey, limit: usize) -> Result<Option<Vec<u8>>, StoreError> {
        let found = match self {
            Self::S3 { client, bucket } => get_object(client, bucket, key, None, limit).await?,
            Self::Files { dir } => {
                let path = dir.join(&key.0);
                let place = dir.display().to_string();
                blocking("GetObject", place, move || read_at_most(&path, limit)).await?
            }
        };
        match found {
            Some(bytes) if bytes.len() > limit => Err(StoreError::TooLarge {
                what: "a blob",
                size_bytes: bytes.len(),
                limit_bytes: limit,
            }),
            found => Ok(found),
        }
    }

    /// Returns `length` bytes of a blob from `offset`, `None` where there is no such blob. Fewer bytes
    /// come where the blob ends earlier.
    pub async fn get_range(
        &self,
        key: &BlobKey,
        offset: u64,
        length: usize,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        match self {
            Self::S3 { client, bucket } => {
                let last = offset.saturating_add(length as u64).saturating_sub(1);
                let range = format!("bytes={offset}-{last}");
                get_object(client, bucket, key, Some(range), length).await
            }
            Self::Files { dir } => {
                let path = dir.join(&key.0);
                let place = dir.display().to_string();
                blocking("GetObject", place, move || read_part(&path, offset, length)).await
            }
        }
    }

    /// How many bytes a blob has that could be read now, `None` where there is no such blob. None of
    /// them is read.
    pub async fn size(&self, key: &BlobKey) -> Result<Option<u64>, StoreError> {
        match self {
            Self::S3 { client, bucket } => head_object(client, bucket, key).await,
            Self::Files { dir } => {
                let path = dir.join(&key.0);
                let place = dir.display().to_string();
                blocking("HeadObject", place, move || size_of(&path)).await
            }
        }
    }
}

/// The lower-case hexadecimal SHA-256 of some bytes.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads until the end or just beyond the limit.
async fn get_object(
    client: &Client,
    bucket: &str,
    key: &BlobKey,
    range: Option<String>,
    limit: usize,
) -> Result<Option<Vec<u8>>, StoreError> {
    let request = client.get_object().bucket(bucket).key(&key.0);
    let sent = request.set_range(range).send().await;
    let mut body = match sent {
        Ok(object) => object.body,
        Err(error) => {
            return match error.as_service_error() {
                Some(GetObjectError::NoSuchKey(_)) => Ok(None),
                _ => Err(StoreError::from_sdk("GetObject", bucket, error)),
            };
        }
    };
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| StoreError::Unavailable {
            operation: "GetObject",
            place: bucket.to_owned(),
            source: Box::new(error),
        })?;
        bytes.extend_from_slice(&chunk);
        if bytes.len() > limit {
            break;
        }
    }
    Ok(Some(bytes))
}

async fn head_object(
    client: &Client,
    bucket: &str,
    key: &BlobKey,
) -> Result<Option<u64>, StoreError> {
    let sent = client.head_object().bucket(bucket).key(&key.0).send().await;
    match sent {
        Ok(head) => Ok(Some(
            head.content_length
                .and_then(|length| u64::try_from(length).ok())
                .unwrap_or_default(),
        )),
        Err(error) => match error.as_service_error() {
            Some(HeadObjectError::NotFound(_)) => Ok(None),
            _ => Err(StoreError::from_sdk("HeadObject", bucket, error)),
        },
    }
}

async fn blocking<T: Send + 'static>(
    operation: &'static str,
    place: String,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.unwrap_or_else(|error| Err(io::Error::other(error)));
    done.map_err(|error| StoreError::Unavailable {
        operation,
        place,
        source: Box::new(error),
    })
}

/// Written aside, flushed, renamed into place, and the folder flushed: whoever sees the file sees
/// all of it, also after a crash.
fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path
        .parent()
        .ok_or_else(|| io::Error::other("a blob's path has a folder"))?;
    fs::create_dir_all(dir)?;
    let aside = path.with_extension(format!("{:016x}.part", rand::random::<u64>()));
    let written = fs::File::create_new(&aside)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&aside, path));
    if written.is_err() {
        // The blob is not there, which is what counts; the part is litter at worst.
        let _ = fs::remove_file(&aside);
    }
    written?;
    fs::File::open(dir)?.sync_all()
}

/// Opens it too, since a file that is there may still not be ours to read.
fn size_of(path: &Path) -> io::Result<Option<u64>> {
    let file = open(path)?;
    file.map(|file| Ok(file.metadata()?.len())).transpose()
}

fn read_at_most(path: &Path, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let Some(file) = open(path)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    let beyond = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    file.take(beyond).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

fn read_part(path: &Path, offset: u64, length: usize) -> io::Result<Option<Vec<u8>>> {
    let Some(mut file) = open(path)? else {
        return Ok(None);
    };
    file.seek(io::SeekFrom::Start(offset))?;
    let mut bytes = Vec::with_capacity(length);
    file.take(length as u64).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

fn open(path: &Path) -> io::Result<Option<fs::File>> {
    match fs::File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_read_back_whole_missing_or_refused_for_its_size() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::Files {
            dir: dir.path().join("bucket"),
        };
        let key = BlobKey(format!("campaigns/1/source-{}", sha256(b"hello")));
        assert_eq!(blobs.get(&key, 5).await.unwrap(), None);
        assert_eq!(blobs.size(&key).await.unwrap(), None);
        for _ in 0..2 {
            blobs.put(&key, b"hello".to_vec()).await.unwrap();
        }
        assert_eq!(blobs.get(&key, 5).await.unwrap().unwrap(), b"hello");
        assert_eq!(blobs.size(&key).await.unwrap(), Some(5));
        let refused = blobs.get(&key, 4).await;
        assert!(matches!(refused, Err(StoreError::TooLarge { .. })));
        let part = blobs.get_range(&key, 1, 3).await.unwrap().unwrap();
        assert_eq!(part, b"ell");
        let beyond = blobs.get_range(&key, 3, 9).await.unwrap().unwrap();
        assert_eq!(beyond, b"lo");
        let folder = fs::read_dir(dir.path().join("bucket/campaigns/1")).unwrap();
        assert_eq!(folder.count(), 1, "nothing is left aside");
    }

    #[test]
    fn a_checksum_is_written_in_hexadecimal() {
        // FIPS 180-2, appendix B.1.
        assert!(sha256(b"abc").starts_with("ba7816bf8f01cfea414140de5dae2223"));
        assert_eq!(sha256(b"abc").len(), 64);
    }
}
