//! A stand-in for S3 that knows PutObject and GetObject, path style.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
};

use tokio::net::{TcpListener, TcpStream};

use super::http::{read_request, respond};

type Objects = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// The stand-in, and what is in it, by `/bucket/key`.
pub(crate) struct S3 {
    pub(crate) endpoint: String,
    pub(crate) objects: Objects,
}

impl S3 {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let s3 = Self {
            endpoint: format!("http://{}", listener.local_addr().unwrap()),
            objects: Objects::default(),
        };
        let objects = Arc::clone(&s3.objects);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&objects)));
            }
        });
        s3
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

async fn serve(mut stream: TcpStream, objects: Objects) -> io::Result<()> {
    while let Some(request) = read_request(&mut stream).await? {
        let name = request
            .path
            .split('?')
            .next()
            .unwrap_or_default()
            .to_owned();
        if request.method == "PUT" {
            objects.lock().unwrap().insert(name, request.body);
            respond(&mut stream, "200 OK", b"").await?;
            continue;
        }
        let found = objects.lock().unwrap().get(&name).cloned();
        match found {
            Some(bytes) => respond(&mut stream, "200 OK", &bytes).await?,
            None => {
                let body = b"<Error><Code>NoSuchKey</Code><Message>no such key</Message></Error>";
                respond(&mut stream, "404 Not Found", body).await?;
            }
        }
    }
    Ok(())
}
