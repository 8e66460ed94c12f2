//! The actions on tags.

use rds_query::{Request, xml::response};

use super::control::ControlPlane;
use super::error::ApiError;
use super::validate::{required, tags};
use super::xml;

/// Handles `AddTagsToResource`.
pub(crate) fn add(control: &ControlPlane, request: &Request, id: &str) -> Result<String, ApiError> {
    let new = tags(request)?;
    let mut registry = control.registry();
    let current = registry.tags(&control.names, required(request, "ResourceName")?)?;
    for (key, value) in new {
        current.retain(|(old, _)| *old != key);
        current.push((key, value));
    }
    Ok(response(request.action(), id, |_| ()))
}

/// Handles `RemoveTagsFromResource`.
pub(crate) fn remove(control: &ControlPlane, request: &Request, id: &str) -> Result<String, ApiError> {
    let keys = request.list("TagKeys", "member");
    let mut registry = control.registry();
    let current = registry.tags(&control.names, required(request, "ResourceName")?)?;
    current.retain(|(key, _)| !keys.contains(&key.as_str()));
    Ok(response(request.action(), id, |_| ()))
}

/// Handles `ListTagsForResource`.
pub(crate) fn list(control: &ControlPlane, request: &Request, id: &str) -> Result<String, ApiError> {
    let mut registry = control.registry();
    let current = registry.tags(&control.names, required(request, "ResourceName")?)?;
    Ok(response(request.action(), id, |result| xml::tags(result, current)))
}
