//! ARNs of DB clusters.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{ApiError, truncate_for_message};

/// A cluster ARN such as `arn:aws:rds:us-west-2:123456789012:cluster:my-cluster`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClusterArn {
    /// `aws`, `aws-cn`, `aws-us-gov` and so on.
    pub partition: String,
    /// The Region, such as `us-west-2`.
    pub region: String,
    /// The account, twelve digits.
    pub account: String,
    /// The cluster's identifier, in lower case.
    pub cluster: String,
}

impl ClusterArn {
    /// Parses the `SourceArn` of a request.
    ///
    /// # Errors
    /// `InvalidParameterValue`. The ARN of a snapshot gets a message of its own, because AWS's API
    /// exports snapshots and this one doesn't.
    pub fn parse(arn: &str) -> Result<Self, ApiError> {
        let parts: Vec<&str> = arn.splitn(7, ':').collect();
        if let ["arn", partition, "rds", region, account, kind, name] = parts[..] {
            if matches!(kind, "snapshot" | "cluster-snapshot") {
                return Err(ApiError::InvalidParameterValue(format!(
                    "SourceArn {} is a snapshot. This service exports DB clusters: pass the ARN of a cluster, \
                     arn:aws:rds:region:account:cluster:name.",
                    truncate_for_message(arn)
                )));
            }
            let digits = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
            let plain = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            if kind == "cluster"
                && digits
                && partition.starts_with("aws")
                && [partition, region, name].into_iter().all(plain)
            {
                return Ok(Self {
                    partition: partition.into(),
                    region: region.into(),
                    account: account.into(),
                    cluster: name.to_ascii_lowercase(),
                });
            }
        }
        Err(ApiError::InvalidParameterValue(format!(
            "Invalid value for SourceArn: {} isn't the ARN of a DB cluster.",
            truncate_for_message(arn)
        )))
    }
}

impl fmt::Display for ClusterArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "arn:{}:rds:{}:{}:cluster:{}", self.partition, self.region, self.account, self.cluster)
    }
}

impl From<ClusterArn> for String {
    fn from(arn: ClusterArn) -> Self {
        arn.to_string()
    }
}

impl TryFrom<String> for ClusterArn {
    type Error = ApiError;
    fn try_from(arn: String) -> Result<Self, ApiError> {
        Self::parse(&arn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_cluster_arns() {
        let arn = ClusterArn::parse("arn:aws:rds:us-west-2:123456789012:cluster:My-Cluster").unwrap();
        assert_eq!((arn.region.as_str(), arn.cluster.as_str()), ("us-west-2", "my-cluster"));
        assert_eq!(arn.to_string(), "arn:aws:rds:us-west-2:123456789012:cluster:my-cluster");
    }

    #[test]
    fn refuses_everything_else() {
        for bad in [
            "",
            "x",
            "arn:aws:rds:us-west-2:1:cluster:a",
            "arn:aws:s3:::b",
            "arn:aws:rds:us-west-2:123456789012:db:a",
            "arn:aws:rds:us-west-2:123456789012:cluster:",
            "arn:aws:rds:us-west-2:123456789012:cluster:a b",
        ] {
            assert_eq!(ClusterArn::parse(bad).unwrap_err().code(), "InvalidParameterValue", "{bad}");
        }
        let snapshot = ClusterArn::parse("arn:aws:rds:us-west-2:123456789012:cluster-snapshot:s").unwrap_err();
        assert!(snapshot.to_string().contains("snapshot"));
    }
}
