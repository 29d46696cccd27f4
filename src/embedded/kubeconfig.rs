//! Who the listener is and who may talk to it: a certificate authority of its own, a certificate for loopback, a token; and
//! the kubeconfig that tells kubectl.

use std::{fs, io::Write, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use rand::Rng;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use serde::{Deserialize, Serialize};

use super::listener::Error;

const FILE: &str = "identity.json";

/// What a kubeconfig and a listener have to agree on. Kept in the data directory, readable by its owner only.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Identity {
    /// PEM of the authority that kubeconfigs trust.
    pub authority: String,
    /// PEM of the certificate for `127.0.0.1`, `::1` and `localhost`.
    pub certificate: String,
    /// PEM of its key.
    pub key: String,
    /// The bearer token.
    pub token: String,
}

impl Identity {
    /// Reads the identity of a data directory, or makes one; without a directory it lasts as long as the process.
    pub fn open(directory: Option<&Path>) -> Result<Self, Error> {
        let Some(path) = directory.map(|directory| directory.join(FILE)) else { return Self::make() };
        if path.exists() {
            let text =
                fs::read_to_string(&path).map_err(|source| Error::Identity(format!("{}: {source}", path.display())))?;
            return serde_json::from_str(&text).map_err(|e| Error::Identity(format!("{}: {e}", path.display())));
        }
        let made = Self::make()?;
        let text = serde_json::to_string(&made).map_err(|e| Error::Identity(e.to_string()))?;
        write_private(&path, &text).map_err(|e| Error::Identity(format!("{}: {e}", path.display())))?;
        Ok(made)
    }

    fn make() -> Result<Self, Error> {
        let failed = |e: rcgen::Error| Error::Identity(e.to_string());
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, "quarterdeck embedded authority");
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let authority_key = KeyPair::generate().map_err(failed)?;
        let authority_certificate = authority.self_signed(&authority_key).map_err(failed)?;
        let issuer = Issuer::new(authority, authority_key);

        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
        let mut server = CertificateParams::new(names).map_err(failed)?;
        server.distinguished_name.push(DnType::CommonName, "quarterdeck embedded API server");
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = server.signed_by(&key, &issuer).map_err(failed)?;
        Ok(Self {
            authority: authority_certificate.pem(),
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            token: token(),
        })
    }

    /// A kubeconfig with one context.
    pub fn kubeconfig(&self, server: &str, context: &str, namespace: &str) -> String {
        let authority = STANDARD.encode(&self.authority);
        format!(
            "apiVersion: v1\n\
             kind: Config\n\
             current-context: {context}\n\
             clusters:\n\
             - name: {context}\n  \
               cluster:\n    \
                 server: {server}\n    \
                 certificate-authority-data: {authority}\n\
             users:\n\
             - name: {context}\n  \
               user:\n    \
                 token: {token}\n\
             contexts:\n\
             - name: {context}\n  \
               context:\n    \
                 cluster: {context}\n    \
                 user: {context}\n    \
                 namespace: {namespace}\n",
            token = self.token,
        )
    }
}

/// 256 bits, in hexadecimal.
fn token() -> String {
    let mut bytes = [0_u8; 32];
    rand::rng().fill_bytes(&mut bytes);
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Writes a file that only its owner can read, in one step: it is whole or it is not there.
pub fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let draft = path.with_extension(format!("{}.tmp", std::process::id()));
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, path)
}
