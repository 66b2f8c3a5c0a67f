//! Good answers: a status, headers and a typed body.

use std::marker::PhantomData;

use http::{HeaderName, HeaderValue, StatusCode, header};
use lambda_http::Body;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use crate::{Response, problem::Problem};

/// What a handler answers with.
#[derive(Debug)]
pub struct Reply<B> {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: B,
}

impl<B> Reply<B> {
    /// An answer with `status`.
    pub fn new(status: StatusCode, body: B) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Names this very representation with a strong tag; `opaque` is printable and has no quotes.
    #[must_use]
    pub fn etag(self, opaque: &str) -> Self {
        match HeaderValue::from_str(&format!("\"{opaque}\"")) {
            Ok(value) => self.header(header::ETAG, value),
            Err(_) => self,
        }
    }

    /// Says how long and by whom the answer may be kept.
    #[must_use]
    pub fn cache_control(self, value: &str) -> Self {
        match HeaderValue::from_str(value) {
            Ok(value) => self.header(header::CACHE_CONTROL, value),
            Err(_) => self,
        }
    }
}

impl<T> Reply<Json<T>> {
    /// 200 with a document.
    pub fn ok(value: T) -> Self {
        Self::new(StatusCode::OK, Json(value))
    }

    /// 201 with a document.
    pub fn created(value: T) -> Self {
        Self::new(StatusCode::CREATED, Json(value))
    }

    /// 503 with a document: the one answer of that status that is no problem of a request, but what
    /// a readiness check was asked for.
    pub fn not_ready(value: T) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Json(value))
    }

    /// 202 with a document.
    pub fn accepted(value: T) -> Self {
        Self::new(StatusCode::ACCEPTED, Json(value))
    }
}

impl Reply<Empty> {
    /// 200 with nothing to say.
    pub fn done() -> Self {
        Self::new(StatusCode::OK, Empty)
    }

    /// 204.
    pub fn no_content() -> Self {
        Self::new(StatusCode::NO_CONTENT, Empty)
    }
}

impl<B: Content> Reply<B> {
    pub(crate) fn into_response(self) -> Result<Response, Problem> {
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = self.status;
        if let Some(media_type) = self.body.media_type() {
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        }
        *response.body_mut() = self.body.write()?;
        for (name, value) in self.headers {
            response.headers_mut().append(name, value);
        }
        Ok(response)
    }
}

/// A body that can be written and described.
pub trait Content: Send + 'static {
    /// The media type of this very body; `None` where there is none.
    fn media_type(&self) -> Option<&'static str>;

    /// The bytes.
    fn write(self) -> Result<Body, Problem>;

    /// The media types it may have, with the schema where it is a document.
    fn describe(generator: &mut SchemaGenerator) -> Vec<(&'static str, Option<Schema>)>;
}

/// A JSON document.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: Serialize + JsonSchema + Send + 'static> Content for Json<T> {
    fn media_type(&self) -> Option<&'static str> {
        Some("application/json")
    }

    fn write(self) -> Result<Body, Problem> {
        serde_json::to_string(&self.0)
            .map(Body::Text)
            .map_err(|error| Problem::internal(&error))
    }

    fn describe(generator: &mut SchemaGenerator) -> Vec<(&'static str, Option<Schema>)> {
        vec![("application/json", Some(generator.subschema_for::<T>()))]
    }
}

/// A JSON document that was written where its parts were at hand: `T` says what it is.
#[derive(Debug)]
pub struct Written<T>(String, PhantomData<fn() -> T>);

impl<T> Written<T> {
    /// Writes `document`, which is a `T` with shorter-lived parts.
    pub fn new(document: &impl Serialize) -> Result<Self, Problem> {
        serde_json::to_string(document)
            .map(|text| Self(text, PhantomData))
            .map_err(|error| Problem::internal(&error))
    }
}

impl<T: JsonSchema + 'static> Content for Written<T> {
    fn media_type(&self) -> Option<&'static str> {
        Some("application/json")
    }

    fn write(self) -> Result<Body, Problem> {
        Ok(Body::Text(self.0))
    }

    fn describe(generator: &mut SchemaGenerator) -> Vec<(&'static str, Option<Schema>)> {
        vec![("application/json", Some(generator.subschema_for::<T>()))]
    }
}

/// No body.
#[derive(Debug)]
pub struct Empty;

impl Content for Empty {
    fn media_type(&self) -> Option<&'static str> {
        None
    }

    fn write(self) -> Result<Body, Problem> {
        Ok(Body::Empty)
    }

    fn describe(_: &mut SchemaGenerator) -> Vec<(&'static str, Option<Schema>)> {
        Vec::new()
    }
}

/// A page, a script or anything else that is not a document of ours.
#[derive(Debug)]
pub struct Raw {
    /// Its media type.
    pub media_type: &'static str,
    /// Its bytes.
    pub bytes: std::borrow::Cow<'static, [u8]>,
}

impl Content for Raw {
    fn media_type(&self) -> Option<&'static str> {
        Some(self.media_type)
    }

    fn write(self) -> Result<Body, Problem> {
        Ok(match String::from_utf8(self.bytes.into_owned()) {
            Ok(text) => Body::Text(text),
            Err(binary) => Body::Binary(binary.into_bytes()),
        })
    }

    fn describe(_: &mut SchemaGenerator) -> Vec<(&'static str, Option<Schema>)> {
        Vec::new()
    }
}

/// A document, or the same data in another form the caller asked for (CSV).
#[derive(Debug)]
pub enum Either<T> {
    /// The document.
    Json(T),
    /// The other form.
    Csv(String),
}

impl<T: Serialize + JsonSchema + Send + 'static> Content for Either<T> {
    fn media_type(&self) -> Option<&'static str> {
        Some(match self {
            Self::Json(_) => "application/json",
            Self::Csv(_) => "text/csv; charset=utf-8",
        })
    }

    fn write(self) -> Result<Body, Problem> {
        match self {
            Self::Json(document) => Json(document).write(),
            Self::Csv(text) => Ok(Body::Text(text)),
        }
    }

    fn describe(generator: &mut SchemaGenerator) -> Vec<(&'static str, Option<Schema>)> {
        let mut described = Json::<T>::describe(generator);
        described.push(("text/csv", None));
        described
    }
}
