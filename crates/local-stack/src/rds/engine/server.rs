//! Servers of any engine, and the selection of the programs for them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use export_task::engine::Engine;

use super::{EngineError, Master, mysql, postgres};
use crate::rds::tls::Authority;

/// Returns the cluster parameter group of clusters that do not name one.
pub(crate) fn default_parameter_group(engine: Engine) -> &'static str {
    match engine {
        Engine::Mysql => "default.aurora-mysql8.0",
        Engine::Postgresql => "default.aurora-postgresql",
    }
}

/// Returns the license model that RDS shows.
pub(crate) fn license(engine: Engine) -> &'static str {
    match engine {
        Engine::Mysql => "general-public-license",
        Engine::Postgresql => "postgresql-license",
    }
}

/// The programs of one version of an engine.
#[derive(Debug, Clone)]
pub(crate) enum Programs {
    Mysql(Arc<mysql::Installation>),
    Postgresql(Arc<postgres::Installation>),
}

impl Programs {
    /// Finds the programs for an `EngineVersion`, or the default programs.
    pub(crate) async fn find(
        engine: Engine,
        version: Option<&str>,
        postgres_bin: Option<&Path>,
    ) -> Result<Self, EngineError> {
        Ok(match engine {
            Engine::Mysql => Self::Mysql(Arc::new(mysql::Installation::find(version).await?)),
            Engine::Postgresql => {
                Self::Postgresql(Arc::new(postgres::Installation::find(version, postgres_bin).await?))
            }
        })
    }

    fn socket(&self, dir: &Path, port: u16) -> PathBuf {
        match self {
            Self::Mysql(_) => mysql::socket(dir),
            Self::Postgresql(_) => postgres::socket(dir, port),
        }
    }
}

/// The location and the parameters of a server. The directory has its data, its log and its socket.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The name in process lists, if the engine supports that.
    pub(crate) name: String,
    pub(crate) dir: PathBuf,
    pub(crate) port: u16,
    /// The parameters of the cluster's parameter group.
    pub(crate) parameters: Vec<(String, String)>,
}

/// The maximum length of a socket path.
const SOCKET_LIMIT: usize = 107;

/// One server.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    programs: Programs,
    place: Place,
}

impl Server {
    /// Returns a server without creating it.
    pub(crate) fn new(programs: Programs, place: Place) -> Result<Self, EngineError> {
        if programs.socket(&place.dir, place.port).as_os_str().len() > SOCKET_LIMIT {
            return Err(EngineError::PathTooLong(place.dir));
        }
        Ok(Self { programs, place })
    }

    pub(crate) fn engine(&self) -> Engine {
        match self.programs {
            Programs::Mysql(_) => Engine::Mysql,
            Programs::Postgresql(_) => Engine::Postgresql,
        }
    }

    /// Returns the programs of this server.
    pub(crate) fn programs(&self) -> &Programs {
        &self.programs
    }

    /// Returns the version as the server itself prints it.
    pub(crate) fn version(&self) -> &str {
        match &self.programs {
            Programs::Mysql(programs) => programs.version(),
            Programs::Postgresql(programs) => programs.version(),
        }
    }

    /// Returns the port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.place.port
    }

    /// Returns the directory, which [`super::remove`] needs.
    pub(crate) fn dir(&self) -> &Path {
        &self.place.dir
    }

    /// Initializes and starts the server.
    pub(crate) async fn create(&self, master: Master<'_>, authority: &Authority) -> Result<(), EngineError> {
        match &self.programs {
            Programs::Mysql(programs) => programs.create(&self.place, master, authority).await,
            Programs::Postgresql(programs) => programs.create(&self.place, master, authority).await,
        }
    }

    /// Starts `target` on a physical copy of this running server. Both use the same programs.
    /// Clients may write to this server during the copy.
    pub(crate) async fn clone_to(&self, target: &Self) -> Result<(), EngineError> {
        match &self.programs {
            Programs::Mysql(programs) => programs.copy(&self.place, &target.place).await,
            Programs::Postgresql(programs) => programs.copy(&self.place, &target.place).await,
        }
    }

    /// Changes the password of the master user.
    pub(crate) async fn set_master_password(&self, name: &str, password: &str) -> Result<(), EngineError> {
        match &self.programs {
            Programs::Mysql(programs) => programs.set_master_password(&self.place, name, password).await,
            Programs::Postgresql(programs) => programs.set_master_password(&self.place, name, password).await,
        }
    }
}
