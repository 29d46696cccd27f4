//! Proving who we are, in a stated order and with a stated number of tries.

use std::sync::Arc;

use russh::{
    MethodKind, MethodSet,
    client::{AuthResult, Handle, Handler, KeyboardInteractiveAuthResponse as Interactive},
    keys::{
        Algorithm, HashAlg, PublicKey,
        agent::{AgentIdentity, client::AgentClient},
        key::PrivateKeyWithHashAlg,
    },
};

use super::{Credentials, identities::Identity};

/// sshd hangs up after six tries (`MaxAuthTries`); one is left for the password.
const MOST_KEYS: usize = 5;
/// Questions that a keyboard-interactive login may ask in a row.
const MOST_QUESTIONS: usize = 4;

/// What was tried, for the error message; the door is open or it is not.
#[derive(Debug, Default)]
pub(super) struct Attempt {
    tried: Vec<String>,
    remaining: Option<MethodSet>,
}

impl Attempt {
    /// Words for an error message.
    pub(super) fn tried(&self) -> String {
        if self.tried.is_empty() { "nothing, as nothing was given".to_owned() } else { self.tried.join(", ") }
    }

    fn note(&mut self, what: impl Into<String>) {
        self.tried.push(what.into());
    }

    /// Did this try open the door? Otherwise remembers what the host still takes.
    fn opened(&mut self, result: AuthResult) -> bool {
        match result {
            AuthResult::Success => true,
            AuthResult::Failure { remaining_methods, .. } => {
                self.remaining = Some(remaining_methods);
                false
            }
        }
    }

    /// The last answer was none: russh says that no method is left when the connection went before the host had answered.
    /// A host that means it says so and hangs up.
    pub(super) fn was_cut(&self) -> bool {
        self.remaining.as_ref().is_some_and(|methods| methods.is_empty())
    }

    fn takes(&self, method: MethodKind) -> bool {
        self.remaining.as_ref().is_none_or(|methods| methods.contains(&method))
    }

    /// Tries all that we have, each once.
    pub(super) async fn run<H: Handler>(
        &mut self,
        handle: &mut Handle<H>,
        user: &str,
        identities: &[Identity],
        credentials: &Credentials,
    ) -> Result<bool, russh::Error> {
        for identity in identities.iter().take(MOST_KEYS) {
            if !self.takes(MethodKind::PublicKey) {
                break;
            }
            self.note(format!("the key {}", identity.name));
            let hash = rsa_hash(handle, &identity.key.algorithm()).await?;
            let key = PrivateKeyWithHashAlg::new(Arc::clone(&identity.key), hash);
            let result = handle.authenticate_publickey(user, key).await?;
            if self.opened(result) {
                return Ok(true);
            }
        }
        Ok(self.agent(handle, user, identities.len(), credentials).await?
            || self.password(handle, user, credentials).await?)
    }

    async fn agent<H: Handler>(
        &mut self,
        handle: &mut Handle<H>,
        user: &str,
        spent: usize,
        credentials: &Credentials,
    ) -> Result<bool, russh::Error> {
        if !credentials.agent || !self.takes(MethodKind::PublicKey) {
            return Ok(false);
        }
        let connected = match &credentials.agent_socket {
            Some(path) => AgentClient::connect_uds(path).await,
            None => AgentClient::connect_env().await,
        };
        let Ok(mut agent) = connected else {
            self.note("the agent (there is none at SSH_AUTH_SOCK)");
            return Ok(false);
        };
        let keys = agent.request_identities().await.unwrap_or_default();
        if keys.is_empty() {
            self.note("the agent (it holds no keys)");
        }
        for key in keys.into_iter().take(MOST_KEYS.saturating_sub(spent)) {
            let AgentIdentity::PublicKey { key, comment } = key else { continue };
            self.note(format!("the agent's key {}", name(&key, &comment)));
            let hash = rsa_hash(handle, &key.algorithm()).await?;
            // An agent that declines to sign costs this key, not the connection.
            if let Ok(result) = handle.authenticate_publickey_with(user, key, hash, &mut agent).await
                && self.opened(result)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn password<H: Handler>(
        &mut self,
        handle: &mut Handle<H>,
        user: &str,
        credentials: &Credentials,
    ) -> Result<bool, russh::Error> {
        let Some(password) = &credentials.password else { return Ok(false) };
        if self.takes(MethodKind::Password) {
            self.note("the password");
            let result = handle.authenticate_password(user, password).await?;
            if self.opened(result) {
                return Ok(true);
            }
        }
        if !self.takes(MethodKind::KeyboardInteractive) {
            return Ok(false);
        }
        self.note("the password, typed");
        let mut answer = handle.authenticate_keyboard_interactive_start(user, None).await?;
        for _ in 0..MOST_QUESTIONS {
            let Interactive::InfoRequest { prompts, .. } = answer else { break };
            let answers =
                prompts.iter().map(|prompt| if prompt.echo { String::new() } else { password.clone() }).collect();
            answer = handle.authenticate_keyboard_interactive_respond(answers).await?;
        }
        Ok(matches!(answer, Interactive::Success))
    }
}

/// RSA keys sign with the best hash that the host says it takes; SHA-512 when it does not say.
async fn rsa_hash<H: Handler>(handle: &Handle<H>, key: &Algorithm) -> Result<Option<HashAlg>, russh::Error> {
    if matches!(key, Algorithm::Rsa { .. }) {
        Ok(handle.best_supported_rsa_hash().await?.unwrap_or(Some(HashAlg::Sha512)))
    } else {
        Ok(None)
    }
}

fn name(key: &PublicKey, comment: &str) -> String {
    if comment.is_empty() { super::host_keys::words(key) } else { comment.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_what_is_left_and_silence_does_not() {
        let mut attempt = Attempt::default();
        assert!(!attempt.was_cut());
        let failure = |remaining_methods| AuthResult::Failure { remaining_methods, partial_success: false };
        assert!(!attempt.opened(failure(MethodSet::from(&[MethodKind::PublicKey][..]))));
        assert!(!attempt.was_cut() && attempt.takes(MethodKind::PublicKey) && !attempt.takes(MethodKind::Password));
        assert!(!attempt.opened(failure(MethodSet::empty())));
        assert!(attempt.was_cut());
    }
}
