//! `GET /openapi.json` and `GET /docs`: the API, described and ready to be tried.
//!
//! The document is the checked-in `openapi.json`, which the contract tests hold equal to the code.
//! The page is Swagger UI, its parts embedded: nothing is loaded from elsewhere.
#![forbid(unsafe_code)]

use std::{borrow::Cow, io::Read as _, sync::Arc};

use flate2::read::GzDecoder;
use garde::Validate;
use http::{HeaderName, HeaderValue, StatusCode, header};
use kit::{
    Call, Code, Endpoint, Faults, Function, Method, Nothing, Problem, Reply, Runtime, Vars,
    reply::Raw,
};
use schemars::JsonSchema;
use serde::Deserialize;

const DOCUMENT: Endpoint =
    Endpoint::new(Method::Get, "/openapi.json", "getOpenApi", "This document").during_maintenance();
const PAGE: Endpoint =
    Endpoint::new(Method::Get, "/docs", "getDocs", "A page to try the API on").during_maintenance();
const ASSET: Endpoint = Endpoint::new(
    Method::Get,
    "/docs/{asset}",
    "getDocsAsset",
    "A part of the page",
)
.problems(&[Code::NotFound])
.during_maintenance();

/// Scripts and styles of our own origin only; Swagger UI sets inline styles and data images.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'";

struct Docs;

/// Every variable that the function reads.
pub const VARIABLES: &[&[kit::config::Variable]] = &[kit::runtime::Settings::VARIABLES];

/// The function.
pub fn function(vars: &Vars) -> Result<Function, Faults> {
    let docs = Arc::new(Docs);
    Ok(kit::Api::new("api-docs", Runtime::read(vars)?)
        .route(DOCUMENT, &docs, document)
        .route(PAGE, &docs, page)
        .route(ASSET, &docs, asset)
        .build())
}

async fn document(_: Arc<Docs>, _: Call<Nothing, Nothing, Nothing>) -> Result<Reply<Raw>, Problem> {
    Ok(cached(
        "application/json",
        include_bytes!("../../../openapi.json"),
    ))
}

async fn page(_: Arc<Docs>, _: Call<Nothing, Nothing, Nothing>) -> Result<Reply<Raw>, Problem> {
    let page = cached(
        "text/html; charset=utf-8",
        include_bytes!("../assets/index.html"),
    );
    Ok(page.header(
        HeaderName::from_static("content-security-policy"),
        HeaderValue::from_static(POLICY),
    ))
}

/// The path of one part.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct AssetPath {
    /// Its file name.
    #[garde(length(min = 1, max = 64))]
    asset: String,
}

async fn asset(
    _: Arc<Docs>,
    call: Call<AssetPath, Nothing, Nothing>,
) -> Result<Reply<Raw>, Problem> {
    let (media_type, compressed): (_, &'static [u8]) = match call.path.asset.as_str() {
        "start.js" => {
            return Ok(cached(
                "text/javascript",
                include_bytes!("../assets/start.js"),
            ));
        }
        "swagger-ui.css" => (
            "text/css",
            include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui.css.gz")),
        ),
        "swagger-ui-bundle.js" => (
            "text/javascript",
            include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui-bundle.js.gz")),
        ),
        _ => return Err(Problem::new(Code::NotFound)),
    };
    let takes_gzip = call
        .header("accept-encoding")
        .is_some_and(|accepted| accepted.contains("gzip"));
    if takes_gzip {
        let reply = cached(media_type, compressed);
        return Ok(reply.header(header::CONTENT_ENCODING, HeaderValue::from_static("gzip")));
    }
    let mut bytes = Vec::new();
    GzDecoder::new(compressed)
        .read_to_end(&mut bytes)
        .map_err(|error| Problem::internal(&error))?;
    Ok(Reply::new(
        StatusCode::OK,
        Raw {
            media_type,
            bytes: Cow::Owned(bytes),
        },
    )
    .cache_control(CACHE)
    .header(header::VARY, HeaderValue::from_static("accept-encoding")))
}

/// Everything here changes with a deployment only.
const CACHE: &str = "public, max-age=300";

fn cached(media_type: &'static str, bytes: &'static [u8]) -> Reply<Raw> {
    let body = Raw {
        media_type,
        bytes: Cow::Borrowed(bytes),
    };
    Reply::new(StatusCode::OK, body)
        .cache_control(CACHE)
        .header(header::VARY, HeaderValue::from_static("accept-encoding"))
}
