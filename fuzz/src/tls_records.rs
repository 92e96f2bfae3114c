//! Records of TLS from a peer that may send anything. The first byte chooses what happens: bytes instead of a handshake, for
//! either side; or, between two sides that have agreed, a text whose records come in any pieces, cut, or with one bit
//! changed. The second byte is the length of the pieces, the third the place.

use std::sync::{Arc, OnceLock};

use weir::tls::party::{self, Identity};
use weir::tls::roots::Trust;
use weir::tls::{ClientConfig, Error, ServerName, Session};

/// A key that is published, and what it says of itself.
const CERTIFICATE: &[u8] = include_bytes!("tls/certificate.pem");
const KEY: &[u8] = include_bytes!("tls/key.pem");

fn sides() -> (Session, Session) {
    static CONFIGURED: OnceLock<(Arc<ClientConfig>, Identity)> = OnceLock::new();
    let (client, server) = CONFIGURED.get_or_init(|| {
        let trust = Trust::with_ca(CERTIFICATE).expect("a certificate");
        (party::client(&trust), Identity::new(CERTIFICATE, KEY).expect("an identity"))
    });
    let name = ServerName::try_from("relay.example").expect("a name");
    (Session::client(client, name).expect("a client"), Session::server(&server.0).expect("a server"))
}

fn sent(side: &mut Session) -> Vec<u8> {
    let mut cipher = Vec::new();
    side.send(|slices| {
        slices.iter().for_each(|slice| cipher.extend_from_slice(slice));
        Ok(slices.iter().map(|slice| slice.len()).sum())
    })
    .expect("a vector takes all");
    cipher
}

/// Gives `cipher` to `side` in pieces; what it says, up to where it refuses, and whether it does.
fn told(side: &mut Session, cipher: &[u8], step: usize) -> (Vec<u8>, Result<(), Error>) {
    let mut plain = Vec::new();
    for piece in cipher.chunks(step) {
        let mut rest = piece;
        loop {
            // Little room, so that the session has to keep some.
            let mut into = Vec::with_capacity(step.clamp(1, 500));
            let room = into.capacity();
            let taken = match side.push(rest, &mut into) {
                Ok(taken) => taken,
                Err(error) => return (plain, Err(error)),
            };
            assert!(into.len() <= room && (taken > 0 || !into.is_empty()), "it goes on, within the room");
            plain.extend_from_slice(&into);
            rest = &rest[taken..];
            if rest.is_empty() && !side.has_plain() {
                break;
            }
        }
    }
    side.rest();
    (plain, Ok(()))
}

fn agree(client: &mut Session, server: &mut Session) {
    while client.is_handshaking() || server.is_handshaking() || client.wants_send() || server.wants_send() {
        let cipher = sent(client);
        told(server, &cipher, cipher.len().max(1)).1.expect("they agree");
        let cipher = sent(server);
        told(client, &cipher, cipher.len().max(1)).1.expect("they agree");
    }
}

pub fn run(input: &[u8]) {
    let [kind, step, place, text @ ..] = input else { return };
    let (mut client, mut server) = sides();
    let step = usize::from(*step) + 1;
    if kind % 4 == 0 {
        let mut side = if kind & 4 == 0 { client } else { server };
        let (plain, refused) = told(&mut side, text, step);
        assert!(plain.is_empty() && side.is_handshaking(), "nobody who knows no key is heard");
        // What is said about it is sent, and nothing is taken after it.
        sent(&mut side);
        assert!(refused.is_ok() || told(&mut side, text, step).0.is_empty());
        return;
    }
    agree(&mut client, &mut server);
    let mut rest = text;
    let mut cipher = Vec::new();
    while !rest.is_empty() {
        let taken = server.seal(&[std::io::IoSlice::new(rest)]).expect("an open session");
        cipher.extend(sent(&mut server));
        rest = &rest[taken..];
    }
    server.close();
    cipher.extend(sent(&mut server));
    let place = usize::from(*place) * cipher.len() / 256;
    match kind % 4 {
        1 => {
            let (plain, refused) = told(&mut client, &cipher, step);
            assert!(plain == text && refused.is_ok() && client.has_ended(), "in any pieces it is the same");
        }
        2 => {
            let (plain, refused) = told(&mut client, &cipher[..place], step);
            assert!(text.starts_with(&plain) && refused.is_ok() && !client.has_ended(), "what is cut is not whole");
        }
        _ => {
            cipher[place] ^= 1 << (kind >> 5);
            let (plain, _) = told(&mut client, &cipher, step);
            // Of a record's head not every bit says something.
            assert!(text.starts_with(&plain), "what was changed is not taken");
            assert!(!client.has_ended() || plain == text, "what is not whole does not look so");
        }
    }
}
