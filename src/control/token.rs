//! The token that opens the admin address where no password is configured.
//!
//! It is made once, shown once, and kept as an Argon2 hash in the data folder, so that it stays the same over restarts
//! and nobody who reads the folder has it. A comparison takes four megabytes and some milliseconds, so it is made on a
//! thread that may wait; once the right token has come by, its keyed digest is known and later comparisons are cheap.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use subtle::ConstantTimeEq as _;

use super::{random, socket};
use crate::base::secret::Secret;
use crate::config::snapshot::digest;

/// Name of its file in the data folder.
const FILE: &str = "admin-token";

/// A token of which the hash is known, and after its first use a digest.
pub(crate) struct Token {
    /// In the form of PHC strings.
    pub(crate) hash: Box<str>,
    /// Keyed for this process.
    salt: Secret,
    print: Option<[u8; 32]>,
}

impl Token {
    /// A token in memory only.
    pub(crate) fn of(text: &str) -> Token {
        let mut token = Token { hash: "".into(), salt: Secret::new(""), print: None };
        if !text.is_empty() {
            token.learn(text.as_bytes());
        }
        token
    }

    /// Whether `presented` is it, if that is known without the hash.
    pub(crate) fn knows(&self, presented: &[u8]) -> Option<bool> {
        let same = self.print.map(|print| bool::from(print.ct_eq(&self.print_of(presented))));
        match same {
            // There is nothing else to compare with.
            same if self.hash.is_empty() => Some(same.unwrap_or(false)),
            Some(true) => Some(true),
            Some(false) | None => None,
        }
    }

    /// `presented` is it.
    pub(crate) fn learn(&mut self, presented: &[u8]) {
        self.print = Some(self.print_of(presented));
    }

    /// What tells it from another.
    pub(crate) fn mark(&self) -> [u8; 32] {
        if self.hash.is_empty() { self.print.unwrap_or_default() } else { digest(self.hash.as_bytes()) }
    }

    fn print_of(&self, presented: &[u8]) -> [u8; 32] {
        digest(&zeroize::Zeroizing::new([self.salt.expose(), presented].concat()))
    }
}

/// The token that an earlier process has made; nothing if there is none.
pub(crate) fn recall(data_dir: &Path) -> io::Result<Option<Token>> {
    let mut text = String::new();
    match fs::File::open(data_dir.join(FILE)) {
        Ok(file) => file.take(1_024).read_to_string(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let hash = text.trim();
    PasswordHash::new(hash).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
    Ok(Some(Token { hash: hash.into(), salt: Secret::new(&random()?), print: None }))
}

/// Makes a token and keeps its hash. The text is for whoever asked, once.
pub fn make(data_dir: &Path) -> io::Result<String> {
    let text = random()?;
    let hash = hash(&text).map_err(io::Error::other)?;
    socket::data_dir(data_dir)?;
    let (path, fresh) = (data_dir.join(FILE), data_dir.join(format!("{FILE}.{}", std::process::id())));
    let mut out = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    out.write_all(hash.as_bytes())?;
    out.sync_all()?;
    fs::rename(&fresh, &path)?;
    Ok(text)
}

/// Little memory, because what a process takes at rest is bounded; the token itself is 256 random bits.
fn argon() -> Argon2<'static> {
    const PARAMS: Params = match Params::new(4 * 1_024, 3, 1, None) {
        Ok(params) => params,
        Err(_) => panic!("these bounds are Argon2's own"),
    };
    Argon2::new(Algorithm::Argon2id, Version::V0x13, PARAMS)
}

fn hash(text: &str) -> Result<String, String> {
    argon().hash_password(text.as_bytes()).map(|hash| hash.to_string()).map_err(|error| error.to_string())
}

/// Whether a text is the one that was hashed. Takes its time.
pub(crate) fn verify(hash: &str, presented: &Secret) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| argon().verify_password(presented.expose(), &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_kept_as_its_hash() {
        let folder = std::env::temp_dir().join(format!("weir-token-{}", std::process::id()));
        assert!(recall(&folder).expect("no file").is_none());
        let text = make(&folder).expect("made");
        let kept = fs::read_to_string(folder.join(FILE)).expect("kept");
        assert!(kept.starts_with("$argon2id$v=19$m=4096,t=3,p=1$") && !kept.contains(&text), "{kept}");
        let mut token = recall(&folder).expect("a file").expect("a token");
        assert_eq!(token.knows(text.as_bytes()), None);
        assert!(verify(&token.hash, &Secret::new(&text)));
        assert!(!verify(&token.hash, &Secret::new("wrong")));
        token.learn(text.as_bytes());
        assert_eq!((token.knows(text.as_bytes()), token.knows(b"wrong")), (Some(true), None));
        assert_ne!(make(&folder).expect("made"), text);
        assert_ne!(recall(&folder).expect("a file").expect("a token").mark(), token.mark());
        fs::write(folder.join(FILE), "nonsense").expect("written");
        assert!(recall(&folder).is_err());
        fs::remove_dir_all(&folder).expect("gone");
    }

    #[test]
    fn a_token_in_memory_needs_no_hash() {
        let token = Token::of("t");
        assert_eq!(
            (token.knows(b"t"), token.knows(b"u"), Token::of("").knows(b"")),
            (Some(true), Some(false), Some(false))
        );
    }
}
