//! Logging in: the server's greeting, TLS, and the exchange that proves the password.

use std::collections::HashMap;
use std::sync::Arc;

use mysql_common::auth::plugins::{AuthProc, ChallengeResponsePlugin, Context};
use mysql_common::constants::CapabilityFlags;
use mysql_common::io::ParseBuf;
use mysql_common::packets::{AuthPlugin, AuthSwitchRequest, HandshakePacket, HandshakeResponse, SslRequest};
use mysql_common::proto::MySerialize;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::failure;
use super::wire::{Wire, lost};
use crate::endpoint::Endpoint;
use crate::error::SourceError;

/// What the row path relies on: the end of a result is one packet, and every supported server can do it.
const NEEDED: CapabilityFlags = CapabilityFlags::CLIENT_PROTOCOL_41
    .union(CapabilityFlags::CLIENT_SECURE_CONNECTION)
    .union(CapabilityFlags::CLIENT_PLUGIN_AUTH)
    .union(CapabilityFlags::CLIENT_DEPRECATE_EOF);

/// What is used where it is there. `CLIENT_LOCAL_FILES` is not: no server may ask for a file.
const WELCOME: CapabilityFlags = CapabilityFlags::CLIENT_LONG_PASSWORD
    .union(CapabilityFlags::CLIENT_LONG_FLAG)
    .union(CapabilityFlags::CLIENT_TRANSACTIONS)
    .union(CapabilityFlags::CLIENT_CONNECT_ATTRS)
    .union(CapabilityFlags::CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA);

/// What other clients say is the largest packet they take. The server ignores it.
const MAX_PACKET: u32 = 1 << 30;

/// `utf8mb4_general_ci`, which every server knows.
const COLLATION: u8 = 45;

/// A session that is logged in, and how the server calls its version.
pub(super) async fn log_in(
    mut wire: Wire,
    endpoint: &Endpoint,
    tls: Option<&Arc<ClientConfig>>,
    database: Option<&str>,
    local: bool,
) -> Result<(Wire, String), SourceError> {
    let greeting = wire.receive().await?;
    if greeting.first() == Some(&failure::ERR_HEADER) {
        return Err(failure::from_packet(greeting));
    }
    let greeting: HandshakePacket<'_> = ParseBuf(greeting).parse(()).map_err(|_| MALFORMED)?;
    if !greeting.capabilities().contains(NEEDED) {
        return Err(SourceError::Protocol("a server older than can be read"));
    }
    let mut capabilities = greeting.capabilities() & (NEEDED | WELCOME);
    // The request for TLS and what follows it must say the same.
    capabilities.set(CapabilityFlags::CLIENT_CONNECT_WITH_DB, database.is_some());
    let version = greeting.server_version_str().into_owned();
    // Any other plugin is asked for by a switch, if it is the user's.
    let plugin = match greeting.auth_plugin() {
        Some(AuthPlugin::CachingSha2Password) => AuthPlugin::CachingSha2Password,
        _ => AuthPlugin::MysqlNativePassword,
    };
    let nonce = greeting.nonce();
    let offers_tls = greeting.capabilities().contains(CapabilityFlags::CLIENT_SSL);
    if let Some(tls) = tls {
        if !offers_tls {
            return Err(SourceError::Untrusted { source: "the server speaks no TLS".into() });
        }
        capabilities |= CapabilityFlags::CLIENT_SSL;
        wire = encrypt(wire, capabilities, &endpoint.host, tls).await?;
    }
    let mut exchange = Exchange { password: endpoint.password.as_bytes(), nonce, tls: tls.is_some() };
    let mut proof = proof_of(&plugin)?;
    let answer = proof.run(&exchange, &exchange.nonce).map_err(refused)?;
    let attributes = HashMap::from([("program_name".to_owned(), "aurora-export".to_owned())]);
    let response = HandshakeResponse::new(
        answer.data(),
        // Decides on nothing but utf8mb4 as the character set.
        (5, 7, 0),
        Some(endpoint.user.as_bytes()),
        database.map(str::as_bytes),
        Some(plugin),
        capabilities,
        Some(attributes),
        MAX_PACKET,
    );
    wire.send(&serialized(&response)).await?;
    loop {
        let packet = wire.receive().await?;
        let answer = match packet {
            [0x00, ..] => return Ok((wire, version)),
            [failure::ERR_HEADER, ..] => return Err(failure::from_packet(packet)),
            [0xFE, _, ..] => {
                let switch: AuthSwitchRequest<'_> = ParseBuf(packet).parse(()).map_err(|_| MALFORMED)?;
                proof = proof_of(&switch.auth_plugin())?;
                exchange.nonce = switch.plugin_data().to_vec();
                proof.run(&exchange, &exchange.nonce).map_err(refused)?
            }
            // Without TLS the password would be encrypted for whoever says to be the server.
            [0x01, 0x04] if tls.is_none() && !local => {
                return Err(SourceError::Untrusted { source: "the server is remote and TLS is off".into() });
            }
            [0x01, challenge @ ..] => proof.run(&exchange, challenge).map_err(refused)?,
            _ => return Err(MALFORMED),
        };
        if let Some(data) = answer.data() {
            wire.send(data).await?;
        }
    }
}

const MALFORMED: SourceError = SourceError::Protocol("a malformed packet before the login");

async fn encrypt(
    mut wire: Wire,
    capabilities: CapabilityFlags,
    host: &str,
    tls: &Arc<ClientConfig>,
) -> Result<Wire, SourceError> {
    wire.send(&serialized(&SslRequest::new(capabilities, MAX_PACKET, COLLATION))).await?;
    let name = ServerName::try_from(host.to_owned()).map_err(|e| SourceError::Untrusted { source: Box::new(e) })?;
    let (socket, sequence) = wire.into_socket()?;
    let socket = TlsConnector::from(Arc::clone(tls)).connect(name, socket).await.map_err(lost)?;
    Ok(Wire::new(Box::new(socket)).with_sequence(sequence))
}

fn serialized(packet: &impl MySerialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.serialize(&mut bytes);
    bytes
}

/// The two ways of RDS. Others would show the password to the server, or are not Aurora's.
fn proof_of(plugin: &AuthPlugin<'_>) -> Result<AuthProc, SourceError> {
    match plugin {
        AuthPlugin::CachingSha2Password | AuthPlugin::MysqlNativePassword => plugin.init().map_err(refused),
        other => Err(refused(format!("{} is not supported", String::from_utf8_lossy(other.as_bytes())))),
    }
}

fn refused(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> SourceError {
    SourceError::AccessDenied { source: source.into() }
}

/// What a proof of the password needs to know.
struct Exchange<'a> {
    password: &'a [u8],
    nonce: Vec<u8>,
    tls: bool,
}

impl Context for &Exchange<'_> {
    fn pass(&self) -> &[u8] {
        self.password
    }

    fn is_ipc_transport(&self) -> bool {
        false
    }

    fn is_tls_transport(&self) -> bool {
        self.tls
    }

    fn scramble(&self) -> &[u8] {
        &self.nonce
    }

    fn server_key_pem(&self) -> Option<&[u8]> {
        None
    }
}
