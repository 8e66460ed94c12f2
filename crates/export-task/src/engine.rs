//! The two engines of Aurora clusters.

use serde::{Deserialize, Serialize};

/// A cluster's database engine, in RDS's spelling.
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
    /// Returns the engine with this name in RDS, or `None` if it is not one of Aurora's.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Postgresql, Self::Mysql].into_iter().find(|engine| engine.name() == name)
    }

    /// Returns the name in RDS.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgresql => "aurora-postgresql",
            Self::Mysql => "aurora-mysql",
        }
    }
}
