//! Servers of any engine, and the choice among those on this machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use export_task::engine::Engine;

use super::{EngineError, Master, mysql, postgres};
use crate::rds::tls::Authority;

/// The cluster parameter group of those who name none.
pub(crate) fn default_parameter_group(engine: Engine) -> &'static str {
    match engine {
        Engine::Mysql => "default.aurora-mysql8.0",
        Engine::Postgresql => "default.aurora-postgresql",
    }
}

/// The licence RDS shows.
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
    /// The programs for an `EngineVersion`, or those of clusters that name none.
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

/// Where a server is, and how it is set. The directory holds its data, its log and its socket.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The name processes are listed by, if the engine lets them.
    pub(crate) name: String,
    pub(crate) dir: PathBuf,
    pub(crate) port: u16,
    /// What the cluster's parameter group says.
    pub(crate) parameters: Vec<(String, String)>,
}

/// The longest path of a socket.
const SOCKET_LIMIT: usize = 107;

/// One server.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    programs: Programs,
    place: Place,
}

impl Server {
    /// A server that does not exist yet.
    pub(crate) fn new(programs: Programs, place: Place) -> Result<Self, EngineError> {
        if programs.socket(&place.dir, place.port).as_os_str().len() > SOCKET_LIMIT {
            return Err(EngineError::PathTooLong(place.dir));
        }
        Ok(Self { programs, place })
    }

    /// The engine.
    pub(crate) fn engine(&self) -> Engine {
        match self.programs {
            Programs::Mysql(_) => Engine::Mysql,
            Programs::Postgresql(_) => Engine::Postgresql,
        }
    }

    /// The programs it runs on.
    pub(crate) fn programs(&self) -> &Programs {
        &self.programs
    }

    /// The version, in the server's own words.
    pub(crate) fn version(&self) -> &str {
        match &self.programs {
            Programs::Mysql(programs) => programs.version(),
            Programs::Postgresql(programs) => programs.version(),
        }
    }

    /// The port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.place.port
    }

    /// The directory, for [`super::remove`].
    pub(crate) fn dir(&self) -> &Path {
        &self.place.dir
    }

    /// Initialises and starts the server.
    pub(crate) async fn create(&self, master: Master<'_>, authority: &Authority) -> Result<(), EngineError> {
        match &self.programs {
            Programs::Mysql(programs) => programs.create(&self.place, master, authority).await,
            Programs::Postgresql(programs) => programs.create(&self.place, master, authority).await,
        }
    }

    /// Starts `target`, which runs on the same programs, on a physical copy of this running server, taken while others
    /// write to it.
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
