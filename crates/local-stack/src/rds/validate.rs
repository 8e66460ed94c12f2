//! Validates request parameters. The messages are those of RDS.

use rds_query::{Params, Request};

use super::error::ApiError;

/// Returns a required parameter.
pub(crate) fn required<'a>(request: &'a Request, name: &str) -> Result<&'a str, ApiError> {
    optional(request, name)
        .ok_or_else(|| ApiError::new("MissingParameter", format!("The request must contain the parameter {name}.")))
}

/// Returns an optional parameter. An empty one counts as missing.
pub(crate) fn optional<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.get(name).filter(|value| !value.is_empty())
}

/// Returns an optional boolean parameter.
pub(crate) fn boolean(request: &Request, name: &str) -> Result<Option<bool>, ApiError> {
    match optional(request, name) {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(other) => Err(ApiError::value(format!("Invalid value {other} for parameter {name}: true or false"))),
    }
}

/// Returns the identifier of a new cluster or instance in lower case, as RDS stores it.
pub(crate) fn new_identifier(request: &Request, name: &str) -> Result<String, ApiError> {
    let id = required(request, name)?;
    let valid = id.len() <= 63
        && id.starts_with(|first: char| first.is_ascii_alphabetic())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !id.ends_with('-')
        && !id.contains("--");
    if valid {
        return Ok(id.to_ascii_lowercase());
    }
    Err(ApiError::value(format!(
        "The parameter {name} is not a valid identifier. Identifiers must begin with a letter; must contain only ASCII \
         letters, digits, and hyphens; and must not end with a hyphen or contain two consecutive hyphens."
    )))
}

/// Names that the engines reserve.
const RESERVED: [&str; 9] = [
    "rdsadmin",
    "rds_superuser",
    "template0",
    "template1",
    "root",
    "mysql",
    "sys",
    "information_schema",
    "performance_schema",
];

/// Validates the name of a database or role: a letter, then letters, digits and underscores, and
/// not a reserved name.
pub(crate) fn sql_name(name: &str, parameter: &str) -> Result<String, ApiError> {
    let valid = name.len() <= 63
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let folded = name.to_ascii_lowercase();
    let reserved = folded.starts_with("pg_") || RESERVED.contains(&folded.as_str());
    if valid && !reserved {
        return Ok(name.to_owned());
    }
    Err(ApiError::value(format!(
        "{parameter} {name} cannot be used: it must begin with a letter, contain only letters, digits and underscores, \
         and not be a word reserved by the engine."
    )))
}

/// Validates a master password.
pub(crate) fn password(password: &str) -> Result<&str, ApiError> {
    const PREFIX: &str = "The parameter MasterUserPassword is not a valid password";
    if password.len() < 8 {
        return Err(ApiError::value(format!("{PREFIX} because it is shorter than 8 characters.")));
    }
    if password.len() > 41 {
        return Err(ApiError::value(format!("{PREFIX} because it is longer than 41 characters.")));
    }
    if password.bytes().any(|byte| !byte.is_ascii_graphic() || b"/@\"".contains(&byte)) {
        return Err(ApiError::value(format!(
            "{PREFIX}. Only printable ASCII characters besides '/', '@', '\"', ' ' may be used."
        )));
    }
    Ok(password)
}

/// Returns the `Tags` of a request.
pub(crate) fn tags(request: &Request) -> Result<Vec<(String, String)>, ApiError> {
    request
        .structs("Tags", "Tag")
        .iter()
        .map(|tag| {
            let key = tag.get("Key").filter(|key| !key.is_empty() && key.chars().count() <= 128);
            let key = key.ok_or_else(|| ApiError::value("Tag keys must have 1 to 128 characters."))?;
            if key.starts_with("aws:") {
                return Err(ApiError::value("Tag keys must not begin with aws:."));
            }
            Ok((key.to_owned(), tag.get("Value").unwrap_or_default().to_owned()))
        })
        .collect()
}

/// Returns one page of `items`, which are sorted by id, and the marker of the next page.
pub(crate) fn page<'a, T>(
    request: &Request,
    items: Vec<&'a T>,
    id: impl Fn(&T) -> &str,
) -> Result<(Vec<&'a T>, Option<String>), ApiError> {
    let size = match optional(request, "MaxRecords") {
        None => 100,
        Some(text) => text.parse().ok().filter(|size| (20..=100).contains(size)).ok_or_else(|| {
            ApiError::value(format!("Invalid value {text} for MaxRecords. Must be between 20 and 100"))
        })?,
    };
    // The marker is the last id of the previous page, so pages stay consistent while items are
    // created and deleted.
    let mut rest = items.into_iter().filter(|item| optional(request, "Marker").is_none_or(|last| id(item) > last));
    let page: Vec<&T> = rest.by_ref().take(size).collect();
    let marker = page.last().filter(|_| rest.next().is_some()).map(|item| id(item).to_owned());
    Ok((page, marker))
}

/// The `Filters` of a request.
pub(crate) struct Filters(Vec<Params>);

impl Filters {
    /// Reads the filters. Only the names in `known` are valid.
    pub(crate) fn read(request: &Request, known: &[&str]) -> Result<Self, ApiError> {
        let filters = request.structs("Filters", "Filter");
        for filter in &filters {
            let name = filter.get("Name").unwrap_or_default();
            if !known.contains(&name) {
                return Err(ApiError::value(format!("Unrecognized filter name: {name}")));
            }
        }
        Ok(Self(filters))
    }

    /// Returns whether every filter matches. `value_of` returns the value of the resource for the
    /// name of a filter.
    pub(crate) fn match_all<'a>(&self, value_of: impl Fn(&str) -> &'a str) -> bool {
        self.0.iter().all(|filter| {
            let value = value_of(filter.get("Name").unwrap_or_default());
            // A filter may have an ARN instead of an identifier. The ARN ends with the identifier.
            filter.list("Values", "Value").iter().any(|wanted| {
                let arn = wanted.strip_prefix("arn:").and_then(|arn| arn.rsplit(':').next());
                arn.unwrap_or(wanted) == value
            })
        })
    }
}
