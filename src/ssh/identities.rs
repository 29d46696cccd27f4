//! Private keys, read and opened once: an encrypted key costs a tenth of a second or more by design.

use std::{path::Path, sync::Arc};

use russh::keys::{self, PrivateKey};

use super::{Credentials, Error};

/// A private key, and what to call it when it did not open the door.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) name: String,
    pub(super) key: Arc<PrivateKey>,
}

/// Reads the private key and then the key files. Blocks: files, and the key derivation of encrypted keys.
pub(super) fn load(credentials: &Credentials) -> Result<Vec<Identity>, Error> {
    let passphrase = credentials.passphrase.as_deref();
    let given = credentials.private_key.iter().map(|text| decode("that was given", text, passphrase));
    let files = credentials.key_files.iter().map(|path| read(path, passphrase));
    given.chain(files).collect()
}

fn read(path: &Path, passphrase: Option<&str>) -> Result<Identity, Error> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Error::PrivateKey { key: name.clone(), reason: error.to_string() })?;
    decode(&name, &text, passphrase)
}

fn decode(name: &str, text: &str, passphrase: Option<&str>) -> Result<Identity, Error> {
    let unusable = |reason: String| Error::PrivateKey { key: name.to_owned(), reason };
    // A passphrase must not get in the way of a key that needs none.
    let plain = keys::decode_secret_key(text, None);
    let key = match (plain, passphrase) {
        (Ok(key), _) => key,
        (Err(_), Some(passphrase)) if is_encrypted(text) => keys::decode_secret_key(text, Some(passphrase))
            .map_err(|_| unusable("it is encrypted, and the passphrase does not open it".into()))?,
        (Err(_), None) if is_encrypted(text) => {
            return Err(unusable("it is encrypted, and no passphrase was given".into()));
        }
        (Err(error), _) => return Err(unusable(error.to_string())),
    };
    Ok(Identity { name: name.to_owned(), key: Arc::new(key) })
}

/// A key file that only a passphrase opens. Blocks.
pub fn needs_passphrase(path: &Path) -> bool {
    std::fs::read_to_string(path).is_ok_and(|text| is_encrypted(&text))
}

fn is_encrypted(text: &str) -> bool {
    text.contains("ENCRYPTED") || PrivateKey::from_openssh(text.trim()).is_ok_and(|key| key.is_encrypted())
}

#[cfg(test)]
mod tests {
    use russh::keys::{Algorithm, key::safe_rng, ssh_key::LineEnding};

    use super::*;

    fn check(passphrase: Option<&str>, encrypt_with: Option<&str>, expected: Result<(), &str>) {
        let key = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).expect("a key");
        let key = encrypt_with.map_or(key.clone(), |p| key.encrypt(&mut safe_rng(), p).expect("encrypts"));
        let text = key.to_openssh(LineEnding::LF).expect("text").to_string();
        let given =
            Credentials { private_key: Some(text), passphrase: passphrase.map(Into::into), ..Credentials::default() };
        match (load(&given), expected) {
            (Ok(keys), Ok(())) => assert_eq!(keys.len(), 1),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (said, expected) => panic!("{said:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn keys_open_with_their_passphrase_only() {
        check(None, None, Ok(()));
        check(Some("not needed"), None, Ok(()));
        check(Some("sesame"), Some("sesame"), Ok(()));
        check(Some("wrong"), Some("sesame"), Err("does not open it"));
        check(None, Some("sesame"), Err("no passphrase"));
    }

    #[test]
    fn rubbish_is_named() {
        let given = Credentials { private_key: Some("hello".into()), ..Credentials::default() };
        assert!(matches!(load(&given), Err(Error::PrivateKey { .. })));
        let given = Credentials { key_files: vec!["/nowhere/id".into()], ..Credentials::default() };
        assert!(load(&given).expect_err("no file").to_string().contains("/nowhere/id"));
    }
}
