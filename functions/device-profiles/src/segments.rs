//! `PUT · GET · DELETE /v1/devices/{id}/segments`: what the app's own systems know of a device's user.

use std::sync::Arc;

use domain::allocation::{DeviceSegments, StoredDeviceSegments};
use kit::{
    Call, Caller, Code, Endpoint, Method, Nothing, Problem, Reply, extract,
    reply::{Empty, Json},
};

use crate::{DevicePath, RATE, SCOPE, State};

const PATH: &str = "/v1/devices/{id}/segments";

pub(crate) const PUT: Endpoint = Endpoint::new(
    Method::Put,
    PATH,
    "putDeviceSegments",
    "Put a device's segments and server attributes",
)
.caller(Caller::Service(SCOPE))
.rate(RATE)
.problems(&[Code::Unavailable]);
pub(crate) const GET: Endpoint = Endpoint::new(
    Method::Get,
    PATH,
    "getDeviceSegments",
    "Get a device's segments and server attributes",
)
.caller(Caller::Service(SCOPE))
.problems(&[Code::NotFound, Code::Unavailable]);
pub(crate) const DELETE: Endpoint = Endpoint::new(
    Method::Delete,
    PATH,
    "deleteDeviceSegments",
    "Delete a device's segments and server attributes",
)
.caller(Caller::Service(SCOPE))
.rate(RATE)
.answers(&[204])
.problems(&[Code::Unavailable]);

pub(crate) async fn put(
    state: Arc<State>,
    call: Call<DevicePath, Nothing, extract::Json<DeviceSegments>>,
) -> Result<Reply<Json<StoredDeviceSegments>>, Problem> {
    let (updated_at, segments) = (call.now(), call.body.0);
    state
        .writer
        .put_segments(&call.path.id, &segments, updated_at)
        .await?;
    Ok(Reply::ok(StoredDeviceSegments {
        segments,
        updated_at,
    }))
}

pub(crate) async fn get(
    state: Arc<State>,
    call: Call<DevicePath, Nothing, Nothing>,
) -> Result<Reply<Json<StoredDeviceSegments>>, Problem> {
    let stored = state.devices.segments(&call.path.id, call.now()).await?;
    stored
        .map(Reply::ok)
        .ok_or_else(|| Problem::new(Code::NotFound))
}

pub(crate) async fn delete(
    state: Arc<State>,
    call: Call<DevicePath, Nothing, Nothing>,
) -> Result<Reply<Empty>, Problem> {
    state.devices.delete_segments(&call.path.id).await?;
    Ok(Reply::no_content())
}
