//! A stand-in for S3 that knows PutObject, GetObject and HeadObject, path style.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
};

use tokio::net::{TcpListener, TcpStream};

use super::http::{read_request, respond, respond_head};

type Objects = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// The stand-in, and what is in it, by `/bucket/key`.
pub(crate) struct S3 {
    pub(crate) endpoint: String,
    pub(crate) objects: Objects,
    refused: Arc<Mutex<Option<String>>>,
}

impl S3 {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let s3 = Self {
            endpoint: format!("http://{}", listener.local_addr().unwrap()),
            objects: Objects::default(),
            refused: Arc::default(),
        };
        let (objects, refused) = (Arc::clone(&s3.objects), Arc::clone(&s3.refused));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&objects), Arc::clone(&refused)));
            }
        });
        s3
    }

    /// Answers 403 from now on for the objects whose names contain `part`.
    pub(crate) fn refuse(&self, part: &str) {
        *self.refused.lock().unwrap() = Some(part.to_owned());
    }

    /// Does to the objects whose names contain `part` what a broken disk would.
    pub(crate) fn damage(&self, part: &str) {
        let mut objects = self.objects.lock().unwrap();
        let mut damaged = 0;
        for (_, bytes) in objects.iter_mut().filter(|(name, _)| name.contains(part)) {
            bytes.reverse();
            bytes.push(b'!');
            damaged += 1;
        }
        assert!(damaged > 0, "no object is called {part}");
    }
}

async fn serve(
    mut stream: TcpStream,
    objects: Objects,
    refused: Arc<Mutex<Option<String>>>,
) -> io::Result<()> {
    while let Some(request) = read_request(&mut stream).await? {
        let name = request
            .path
            .split('?')
            .next()
            .unwrap_or_default()
            .to_owned();
        let is_refused = |part: &String| name.contains(part.as_str());
        let is_refused = refused.lock().unwrap().as_ref().is_some_and(is_refused);
        if request.method == "HEAD" {
            let length = objects.lock().unwrap().get(&name).map(Vec::len);
            match length {
                _ if is_refused => respond_head(&mut stream, "403 Forbidden", 0).await?,
                Some(length) => respond_head(&mut stream, "200 OK", length).await?,
                None => respond_head(&mut stream, "404 Not Found", 0).await?,
            }
            continue;
        }
        if is_refused {
            let body = b"<Error><Code>AccessDenied</Code><Message>arn:aws:sts::1:role may not</Message></Error>";
            respond(&mut stream, "403 Forbidden", body).await?;
            continue;
        }
        if request.method == "PUT" {
            objects.lock().unwrap().insert(name, request.body);
            respond(&mut stream, "200 OK", b"").await?;
            continue;
        }
        let found = objects.lock().unwrap().get(&name).cloned();
        match found {
            Some(bytes) if let Some((first, last)) = request.range => {
                let end = bytes.len().min(last + 1);
                respond(
                    &mut stream,
                    "206 Partial Content",
                    &bytes[first.min(end)..end],
                )
                .await?;
            }
            Some(bytes) => respond(&mut stream, "200 OK", &bytes).await?,
            None => {
                let body = b"<Error><Code>NoSuchKey</Code><Message>no such key</Message></Error>";
                respond(&mut stream, "404 Not Found", body).await?;
            }
        }
    }
    Ok(())
}
