//! Takes the parts of Swagger UI that the page needs out of its vendored archive, compressed.

use std::{
    env,
    error::Error,
    fs,
    io::{Cursor, Read as _, Write as _},
    path::Path,
};

use flate2::{Compression, write::GzEncoder};
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;
use zip::ZipArchive;

const PARTS: [&str; 2] = ["swagger-ui.css", "swagger-ui-bundle.js"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let out = env::var("OUT_DIR")?;
    let mut archive = ZipArchive::new(Cursor::new(SWAGGER_UI_VENDORED))?;
    for part in PARTS {
        let path = archive
            .file_names()
            .flatten()
            .find(|name| name.ends_with(&format!("/dist/{part}")))
            .map(std::borrow::Cow::into_owned)
            .ok_or_else(|| format!("the archive has no {part}"))?;
        let mut bytes = Vec::new();
        archive.by_name(&path)?.read_to_end(&mut bytes)?;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&bytes)?;
        fs::write(
            Path::new(&out).join(format!("{part}.gz")),
            encoder.finish()?,
        )?;
    }
    Ok(())
}
