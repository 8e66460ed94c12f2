//! The two kinds of Aurora clusters.

use serde::{Deserialize, Serialize};

/// A cluster's database engine, spelled as RDS spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Engine {
    /// Aurora PostgreSQL.
    #[serde(rename = "aurora-postgresql")]
    Postgresql,
    /// Aurora MySQL.
    #[serde(rename = "aurora-mysql")]
    Mysql,
}

impl Engine {
    /// The engine RDS calls `name`, if it is one of Aurora's.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Postgresql, Self::Mysql].into_iter().find(|engine| engine.name() == name)
    }

    /// What RDS calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgresql => "aurora-postgresql",
            Self::Mysql => "aurora-mysql",
        }
    }
}
