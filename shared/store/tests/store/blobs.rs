//! Blobs: files on this machine, and S3 as a loopback stand-in speaks it.

use domain::content::Kind;
use store::{Blobs, StoreError, blobs::BlobKey};

use crate::harness::{S3, aws_at};

#[tokio::test]
async fn a_file_address_means_a_folder_and_any_other_a_bucket() {
    let nowhere = "http://127.0.0.1:1";
    let files = Blobs::connect(&aws_at(nowhere, Some("file:///var/blobs".into())), "bucket");
    assert!(matches!(files, Blobs::Files { dir } if dir.ends_with("var/blobs/bucket")));
    let s3 = S3::start().await;
    let bucket = Blobs::connect(&aws_at(nowhere, Some(s3.endpoint.clone())), "bucket");
    assert!(matches!(bucket, Blobs::S3 { bucket, .. } if bucket == "bucket"));
}

#[tokio::test]
async fn a_bucket_gives_back_what_was_put_misses_what_was_not_and_refuses_what_is_too_large() {
    let s3 = S3::start().await;
    let blobs = Blobs::connect(
        &aws_at("http://127.0.0.1:1", Some(s3.endpoint.clone())),
        "bucket",
    );
    let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let key = BlobKey::source(Kind::Testers, 1, "0af3");
    assert_eq!(blobs.get(&key, 300_000).await.unwrap(), None);
    assert_eq!(blobs.size(&key).await.unwrap(), None);
    blobs.put(&key, bytes.clone()).await.unwrap();
    let names: Vec<String> = s3.objects.lock().unwrap().keys().cloned().collect();
    assert_eq!(names, ["/bucket/testers/0000000001/source-0af3"]);
    let key = BlobKey::source(Kind::Testers, 1, "0af3");
    assert_eq!(blobs.get(&key, 300_000).await.unwrap(), Some(bytes));
    let refused = blobs.get(&key, 299_999).await;
    assert!(matches!(refused, Err(StoreError::TooLarge { .. })));
    assert_eq!(blobs.size(&key).await.unwrap(), Some(300_000));
    s3.refuse("source-");
    assert!(blobs.size(&key).await.is_err());
}
