//! The table behind the store's back: for what other versions and other writers leave there.

use std::collections::HashMap;

use aws::{Pace, Service};
use aws_sdk_dynamodb::Client;
pub(crate) use aws_sdk_dynamodb::types::AttributeValue as Value;

use crate::harness::{TABLE, aws_at};

fn client(endpoint: &str) -> Client {
    Client::new(&aws_at(endpoint, None).config(Service::DynamoDb, Pace::NORMAL))
}

/// Puts so many items that mean nothing.
pub(crate) async fn fill(endpoint: &str, items: usize) {
    let client = client(endpoint);
    for nth in 0..items {
        let put = client
            .put_item()
            .table_name(TABLE)
            .item("pk", Value::S(format!("nothing#{nth}")))
            .item("sk", Value::S("nothing".into()));
        put.send().await.unwrap();
    }
}

/// The keys of all items whose partition begins so.
pub(crate) async fn keys(endpoint: &str, beginning: &str) -> Vec<HashMap<String, Value>> {
    let scanned = client(endpoint)
        .scan()
        .table_name(TABLE)
        .projection_expression("pk, sk")
        .send()
        .await
        .unwrap();
    let begins = |item: &HashMap<String, Value>| item["pk"].as_s().unwrap().starts_with(beginning);
    scanned.items.unwrap().into_iter().filter(begins).collect()
}

/// Updates an item with one `:value`.
pub(crate) async fn change(
    endpoint: &str,
    key: &HashMap<String, Value>,
    update: &str,
    value: Value,
) {
    client(endpoint)
        .update_item()
        .table_name(TABLE)
        .set_key(Some(key.clone()))
        .update_expression(update)
        .expression_attribute_values(":value", value)
        .send()
        .await
        .unwrap();
}
