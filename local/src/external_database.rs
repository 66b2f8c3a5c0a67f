//! Another DynamoDB than the embedded one, such as Amazon's DynamoDB Local or a fault proxy: the
//! template's tables are created there where they are missing.

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::template::{REGION, Table, TableSchema};

/// How long one call may take.
const CALL: Duration = Duration::from_secs(5);

/// How often, and with which pause, a table that is being created is looked at.
const LOOKS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(200);

/// The largest response that is read.
const RESPONSE_BYTES: usize = 1 << 20;

/// Why the tables of another DynamoDB are not ready.
#[derive(Debug, thiserror::Error)]
pub enum ExternalDatabaseError {
    /// The address is no `http://host:port`.
    #[error("DYNAMODB_ENDPOINT={0}: expected http://host:port")]
    Address(String),
    /// A call failed.
    #[error("DynamoDB at {endpoint}: {operation}: {problem}")]
    Call {
        /// The endpoint.
        endpoint: String,
        /// The operation.
        operation: &'static str,
        /// The transport's error, or the response.
        problem: String,
    },
    /// A table that is already there has other keys or indexes than the template says.
    #[error(
        "table {table} at {endpoint} differs from the template in its keys or indexes: delete it there"
    )]
    SchemaChanged {
        /// The endpoint.
        endpoint: String,
        /// The table.
        table: String,
    },
}

/// A DynamoDB that runs elsewhere.
pub(crate) struct ExternalDatabase {
    endpoint: String,
    created: Vec<String>,
}

struct Connection {
    endpoint: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Description {
    table: DescribedTable,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescribedTable {
    table_status: String,
    #[serde(flatten)]
    schema: TableSchema,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct NewTable<'a> {
    table_name: &'a str,
    billing_mode: &'static str,
    #[serde(flatten)]
    schema: &'a TableSchema,
}

impl ExternalDatabase {
    /// Creates the tables that are missing.
    ///
    /// # Errors
    /// The endpoint does not answer, or has a table of another schema.
    pub(crate) async fn prepare(
        endpoint: &str,
        tables: &[Table],
    ) -> Result<Self, ExternalDatabaseError> {
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        let uri = endpoint.parse::<Uri>().ok();
        let is_root = |uri: &Uri| {
            uri.scheme_str() == Some("http") && uri.authority().is_some() && uri.path() == "/"
        };
        if !uri.as_ref().is_some_and(is_root) {
            return Err(ExternalDatabaseError::Address(endpoint));
        }
        let connection = Connection {
            endpoint,
            client: Client::builder(TokioExecutor::new()).build(HttpConnector::new()),
        };
        let mut created = Vec::new();
        for table in tables {
            if connection.prepare(table).await? {
                created.push(table.name.clone());
            }
        }
        Ok(Self {
            endpoint: connection.endpoint,
            created,
        })
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(crate) fn created(&self) -> &[String] {
        &self.created
    }
}

impl Connection {
    /// Makes a table ready. Returns whether it was created.
    async fn prepare(&self, table: &Table) -> Result<bool, ExternalDatabaseError> {
        let found = self.describe(table).await?;
        let is_new = found.is_none();
        if let Some(found) = found
            && found.schema.sorted() != table.schema.clone().sorted()
        {
            return Err(ExternalDatabaseError::SchemaChanged {
                endpoint: self.endpoint.clone(),
                table: table.name.clone(),
            });
        }
        if is_new {
            let new = NewTable {
                table_name: &table.name,
                billing_mode: "PAY_PER_REQUEST",
                schema: &table.schema,
            };
            self.call("CreateTable", &new).await?;
        }
        self.until_active(table).await?;
        if is_new && let Some(attribute) = &table.ttl_attribute {
            let ttl = json!({
                "TableName": table.name,
                "TimeToLiveSpecification": { "AttributeName": attribute, "Enabled": true },
            });
            self.call("UpdateTimeToLive", &ttl).await?;
        }
        Ok(is_new)
    }

    async fn until_active(&self, table: &Table) -> Result<(), ExternalDatabaseError> {
        for _ in 0..LOOKS {
            let found = self.describe(table).await?;
            if found.is_some_and(|found| found.table_status == "ACTIVE") {
                return Ok(());
            }
            sleep(PAUSE).await;
        }
        Err(self.failed(
            "CreateTable",
            format!("{} does not become active", table.name),
        ))
    }

    /// A table as it is; `None` where it does not exist.
    async fn describe(
        &self,
        table: &Table,
    ) -> Result<Option<DescribedTable>, ExternalDatabaseError> {
        let operation = "DescribeTable";
        let (is_ok, response) = self
            .send(operation, &json!({ "TableName": table.name }))
            .await?;
        if is_ok {
            let described: Result<Description, _> = serde_json::from_value(response);
            return described
                .map(|described| Some(described.table))
                .map_err(|error| self.failed(operation, error));
        }
        let is_missing = response
            .get("__type")
            .and_then(Value::as_str)
            .is_some_and(|kind| kind.ends_with("ResourceNotFoundException"));
        match is_missing {
            true => Ok(None),
            false => Err(self.failed(operation, response)),
        }
    }

    async fn call(
        &self,
        operation: &'static str,
        body: &impl Serialize,
    ) -> Result<(), ExternalDatabaseError> {
        match self.send(operation, body).await? {
            (true, _) => Ok(()),
            (false, response) => Err(self.failed(operation, response)),
        }
    }

    /// Sends one call. Returns whether it succeeded, and its response.
    async fn send(
        &self,
        operation: &'static str,
        body: &impl Serialize,
    ) -> Result<(bool, Value), ExternalDatabaseError> {
        let failed = |problem: &dyn fmt::Display| self.failed(operation, problem);
        let body = serde_json::to_vec(body).map_err(|error| failed(&error))?;
        // A stand-in for DynamoDB reads the key id and the region, and checks no signature.
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=local/20260101/{REGION}/dynamodb/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature=0"
        );
        let request = Request::post(format!("{}/", self.endpoint))
            .header(header::CONTENT_TYPE, "application/x-amz-json-1.0")
            .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
            .header("x-amz-date", "20260101T000000Z")
            .header(header::AUTHORIZATION, authorization)
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| failed(&error))?;
        let exchange = async {
            let response = self.client.request(request).await;
            let response = response.map_err(|error| failed(&error))?;
            let is_ok = response.status().is_success();
            let body = Limited::new(response.into_body(), RESPONSE_BYTES);
            let body = body.collect().await.map_err(|error| failed(&error))?;
            let document = serde_json::from_slice(&body.to_bytes());
            Ok((is_ok, document.map_err(|error| failed(&error))?))
        };
        timeout(CALL, exchange)
            .await
            .unwrap_or_else(|_| Err(failed(&"no answer in time")))
    }

    fn failed(&self, operation: &'static str, problem: impl fmt::Display) -> ExternalDatabaseError {
        ExternalDatabaseError::Call {
            endpoint: self.endpoint.clone(),
            operation,
            problem: problem.to_string(),
        }
    }
}
