//! The TLS of a file: how a provider's certificate is verified, and what the relay's own listeners show.
//!
//! The files that it names are read and tried here, so that a certificate that cannot be used is told with its place
//! in the configuration, by `weir check` as well as by a reload, and not by the first handshake.

use super::check::Check;
use super::file::{self, ClientTls};
use super::problem::At;
use super::secret_ref;
use super::snapshot::{Base, Verify};
use crate::tls::ServerName;
use crate::tls::party::{Identity, Refused};
use crate::tls::roots::Trust;

impl Check<'_, '_, '_> {
    /// How the certificate of the provider at `at` is verified; nothing where it is reached in the clear.
    pub(super) fn verify(&mut self, at: &At<'_>, given: &file::Provider, base: &Base) -> Option<Verify> {
        let at = at.member("tls");
        if !base.tls {
            if given.tls.is_some() && !base.host.is_empty() {
                self.problems.warning(&at, "has no effect: the provider is reached over http://");
            }
            return None;
        }
        if given.disabled {
            return None;
        }
        let plain = ClientTls::default();
        let own = given.tls.as_ref().unwrap_or(&plain);
        let name = own.server_name.as_deref().unwrap_or(&base.host);
        let name = ServerName::try_from(name.to_owned()).map_err(|_| {
            self.problems.error(&at.member("server_name"), format!("{name:?} is no name that a certificate can be for"))
        });
        let trust = match &own.ca {
            None => Trust::system(),
            Some(place) => self.authority(&at.member("ca"), place),
        };
        Some(Verify { trust, name: name.ok()? })
    }

    /// The roots of the PEM file `place`, beside the system's; those alone where it cannot be used.
    fn authority(&mut self, at: &At<'_>, place: &str) -> Trust {
        let trust = self
            .text(place)
            .and_then(|text| Trust::with_ca(text.as_bytes()).map_err(|message| format!("{place} {message}")));
        trust.unwrap_or_else(|message| {
            self.problems.error(at, message);
            Trust::system()
        })
    }

    /// What the relay shows its own callers, where it speaks TLS to them.
    pub(super) fn identity(&mut self) -> Option<Identity> {
        let tls = self.file.tls.as_ref()?;
        let at = At::ROOT.member("tls");
        let mut read = |name: &'static str, place: &Option<String>| {
            let text = match place.as_deref() {
                // That it is missing has been said already.
                None => return None,
                Some("") => Err("is empty".to_owned()),
                Some(place) => self.text(place),
            };
            text.map_err(|message| self.problems.error(&at.member(name), message)).ok()
        };
        let (chain, key) = (read("cert", &tls.cert), read("key", &tls.key));
        let refused = match Identity::new(chain?.as_bytes(), key?.as_bytes()) {
            Ok(identity) => return Some(identity),
            Err(refused) => refused,
        };
        let (name, place, why) = match refused {
            Refused::Chain(why) => ("cert", &tls.cert, why),
            Refused::Key(why) => ("key", &tls.key, why),
        };
        self.problems.error(&at.member(name), format!("{} {why}", place.as_deref().unwrap_or_default()));
        None
    }

    /// The text of a file that the configuration names.
    fn text(&self, place: &str) -> Result<String, String> {
        let path = secret_ref::path(place, self.outside.env)?;
        (self.outside.read)(&path).map_err(|error| format!("{}: {}", path.display(), error.kind()))
    }
}
