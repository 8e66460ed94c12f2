//! Cluster parameter groups. A server starts with the parameters of its cluster's group. A group
//! that nobody created has no parameters.

use rds_query::{Request, xml::response};

use super::control::ControlPlane;
use super::error::ApiError;
use super::validate::required;

/// Handles `CreateDBClusterParameterGroup`.
pub(crate) fn create(control: &ControlPlane, request: &Request, id: &str) -> Result<String, ApiError> {
    let name = required(request, "DBClusterParameterGroupName")?.to_ascii_lowercase();
    let family = required(request, "DBParameterGroupFamily")?;
    let description = required(request, "Description")?;
    let groups = &mut control.registry().parameter_groups;
    if groups.contains_key(&name) {
        let message = format!("Parameter group {name} already exists");
        return Err(ApiError::new("DBParameterGroupAlreadyExists", message));
    }
    groups.insert(name.clone(), Vec::new());
    Ok(response(request.action(), id, |result| {
        result.child("DBClusterParameterGroup", |group| {
            group
                .text("DBClusterParameterGroupName", &name)
                .text("DBParameterGroupFamily", family)
                .text("Description", description)
                .text("DBClusterParameterGroupArn", control.names.arn("cluster-pg", &name));
        });
    }))
}

/// Handles `ModifyDBClusterParameterGroup`. Running servers do not change. On RDS they change only
/// after a restart.
pub(crate) fn modify(control: &ControlPlane, request: &Request, id: &str) -> Result<String, ApiError> {
    let name = required(request, "DBClusterParameterGroupName")?.to_ascii_lowercase();
    let mut new = Vec::new();
    for parameter in request.structs("Parameters", "Parameter") {
        let (name, value) = (parameter.get("ParameterName").unwrap_or_default(), parameter.get("ParameterValue"));
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.".contains(&byte);
        if name.is_empty()
            || !name.bytes().all(is_allowed)
            || value.is_some_and(|value| value.contains(char::is_control))
        {
            return Err(ApiError::value(format!("Could not find parameter with name: {name}")));
        }
        new.push((name.to_owned(), value.unwrap_or_default().to_owned()));
    }
    let groups = &mut control.registry().parameter_groups;
    let group = groups.get_mut(&name).ok_or_else(|| ApiError {
        status: 404,
        ..ApiError::new("DBParameterGroupNotFound", format!("DBClusterParameterGroup not found: {name}"))
    })?;
    group.retain(|(name, _)| new.iter().all(|(changed, _)| changed != name));
    group.extend(new);
    Ok(response(request.action(), id, |result| {
        result.text("DBClusterParameterGroupName", &name);
    }))
}
