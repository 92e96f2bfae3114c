//! Two sessions that speak to each other through vectors: every cut, every size, every way to end.

use std::io::IoSlice;
use std::sync::Arc;

use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::ClientConfig;

use super::party::{self, Identity};
use super::roots::Trust;
use super::{Error, ServerName, Session, reason};

/// A CA that nobody else knows, and what it has signed for `relay.example`.
struct World {
    client: Arc<ClientConfig>,
    server: Identity,
}

fn world(change: impl FnOnce(&mut CertificateParams)) -> World {
    let ca_key = KeyPair::generate().expect("a key");
    let mut ca = CertificateParams::new(Vec::new()).expect("parameters");
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key).expect("a CA").pem();
    let mut leaf = CertificateParams::new(["relay.example".to_owned()]).expect("parameters");
    change(&mut leaf);
    let key = KeyPair::generate().expect("a key");
    let signed = leaf.signed_by(&key, &Issuer::new(ca, ca_key)).expect("a certificate");
    let trust = Trust::with_ca(ca_pem.as_bytes()).expect("a CA");
    let server = Identity::new(signed.pem().as_bytes(), key.serialize_pem().as_bytes()).expect("an identity");
    World { client: party::client(&trust), server }
}

fn name(text: &str) -> ServerName<'static> {
    ServerName::try_from(text.to_owned()).expect("a name")
}

impl World {
    fn pair(&self) -> (Session, Session) {
        let client = Session::client(&self.client, name("relay.example")).expect("a client");
        (client, Session::server(&self.server.0).expect("a server"))
    }

    /// Two sides that have agreed.
    fn agreed(&self) -> (Session, Session) {
        let (mut client, mut server) = self.pair();
        agree(&mut client, &mut server).expect("they agree");
        (client, server)
    }
}

/// What `side` has to send.
fn sent(side: &mut Session) -> Vec<u8> {
    let mut cipher = Vec::new();
    side.send(|slices| {
        slices.iter().for_each(|slice| cipher.extend_from_slice(slice));
        Ok(slices.iter().map(|slice| slice.len()).sum())
    })
    .expect("a vector takes all");
    cipher
}

/// Gives `cipher` to `side` whole and returns what it says; never more than `room` bytes at a time.
fn told(side: &mut Session, cipher: &[u8], room: usize) -> Result<Vec<u8>, Error> {
    let (mut plain, mut rest) = (Vec::new(), cipher);
    loop {
        let mut into = Vec::with_capacity(room);
        let room = into.capacity();
        let taken = side.push(rest, &mut into)?;
        assert!(into.len() <= room, "no byte beyond the room");
        plain.extend_from_slice(&into);
        rest = &rest[taken..];
        if rest.is_empty() && !side.has_plain() {
            return Ok(plain);
        }
        assert!(taken > 0 || !into.is_empty(), "it goes on");
    }
}

fn agree(client: &mut Session, server: &mut Session) -> Result<(), Error> {
    while client.is_handshaking() || server.is_handshaking() || client.wants_send() || server.wants_send() {
        told(server, &sent(client), 64)?;
        told(client, &sent(server), 64)?;
    }
    Ok(())
}

fn sealed(side: &mut Session, pieces: &[&[u8]]) -> Vec<u8> {
    let mut cipher = Vec::new();
    let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
    let mut slices = &mut slices[..];
    while slices.iter().any(|slice| !slice.is_empty()) {
        let taken = side.seal(slices).expect("an open session");
        assert!(taken > 0);
        IoSlice::advance_slices(&mut slices, taken);
        cipher.extend(sent(side));
    }
    cipher
}

#[test]
fn records_mean_the_same_however_they_are_cut() {
    let world = world(|_| {});
    let text: Vec<u8> = (0..600).map(|n| (n % 251) as u8).collect();
    let (mut client, mut server) = world.agreed();
    let length = sealed(&mut client, &[&text[..7], &text[7..200], b"", &text[200..]]).len();
    assert_eq!(told(&mut server, &[], 1).expect("nothing"), b"");
    let (mut client, mut server) = world.agreed();
    for cut in 0..=length {
        let mut cipher = sealed(&mut client, &[&text[..7], &text[7..200], b"", &text[200..]]);
        cipher.extend(sealed(&mut client, &[b"and on"]));
        let (first, second) = cipher.split_at(cut.min(cipher.len()));
        let mut plain = told(&mut server, first, 1000).expect("sound");
        plain.extend(told(&mut server, second, 1000).expect("sound"));
        assert_eq!(plain, [&text[..], b"and on"].concat(), "cut at {cut}");
    }
    let cipher = sealed(&mut client, &[&text]);
    let bytewise: Vec<u8> = cipher.iter().flat_map(|byte| told(&mut server, &[*byte], 3).expect("sound")).collect();
    assert_eq!(bytewise, text);
}

#[test]
fn large_texts_pass_through_small_and_large_buffers() {
    let world = world(|_| {});
    let (mut client, mut server) = world.agreed();
    let text: Vec<u8> = (0..300_000_u32).map(|n| (n % 253) as u8).collect();
    for room in [1, 100, 4_096, 16_384, 1 << 20] {
        let cipher = sealed(&mut client, &[&text[..100_000], &text[100_000..]]);
        assert_eq!(told(&mut server, &cipher, room).expect("sound"), text, "in pieces of {room}");
        server.rest();
        let answer = sealed(&mut server, &[&text]);
        assert_eq!(told(&mut client, &answer, room).expect("sound"), text, "in pieces of {room}");
    }
}

#[test]
fn one_record_at_a_time_is_encrypted_ahead_of_its_sending() {
    let (mut client, _server) = world(|_| {}).agreed();
    let text = vec![7; 100_000];
    let first = client.seal(&[IoSlice::new(&text)]).expect("open");
    assert_eq!(first, crate::limits::TLS_SEND_BYTES_MAX);
    assert_eq!(client.seal(&[IoSlice::new(&text)]).expect("open"), 0, "nothing more until that is sent");
    assert!(sent(&mut client).len() > first);
    assert_eq!(client.seal(&[IoSlice::new(&text[..10])]).expect("open"), 10);
}

#[test]
fn a_reader_without_room_takes_no_more_cipher_text() {
    let (mut client, mut server) = world(|_| {}).agreed();
    let cipher = sealed(&mut client, &[&vec![1; 200_000]]);
    let mut into = Vec::with_capacity(10);
    let taken = server.push(&cipher, &mut into).expect("sound");
    assert!(server.has_plain() && taken < 40_000, "{taken} bytes");
    let mut full = Vec::new();
    assert_eq!(server.push(&cipher[taken..], &mut full).expect("sound"), 0);
}

#[test]
fn sessions_are_taken_up_again() {
    let world = world(|_| {});
    assert!(!world.agreed().0.is_resumed());
    let (client, server) = world.agreed();
    assert!(client.is_resumed() && server.is_resumed());
    let elsewhere = World { client: world.client.clone(), server: self::world(|_| {}).server };
    let (mut client, mut server) = elsewhere.pair();
    assert!(agree(&mut client, &mut server).is_err(), "a ticket opens no other door");
}

#[test]
fn the_peers_word_for_the_end_is_told_from_silence() {
    let (mut client, mut server) = world(|_| {}).agreed();
    let mut cipher = sealed(&mut client, &[b"last"]);
    client.close();
    cipher.extend(sent(&mut client));
    cipher.extend_from_slice(b"what follows is nobody's");
    let mut into = Vec::with_capacity(100);
    assert_eq!(server.push(&cipher[..cipher.len() - 30], &mut into).expect("sound"), cipher.len() - 30);
    assert!(!server.has_ended());
    assert_eq!(server.push(&cipher[cipher.len() - 30..], &mut into).expect("sound"), 30);
    assert!(server.has_ended() && into == b"last");
    assert_eq!(server.push(b"more", &mut into).expect("ignored"), 4);
}

#[test]
fn new_keys_and_tickets_say_nothing_to_the_reader() {
    let (mut client, mut server) = world(|_| {}).agreed();
    for _ in 0..3 {
        server.refresh();
        assert_eq!(told(&mut client, &sent(&mut server), 10).expect("sound"), b"");
        let cipher = sealed(&mut client, &[b"under new keys"]);
        assert_eq!(told(&mut server, &cipher, 100).expect("sound"), b"under new keys");
    }
}

#[test]
fn a_flipped_bit_ends_the_session_with_an_alert() {
    let world = world(|_| {});
    let (mut client, mut server) = world.agreed();
    let clean = sealed(&mut client, &[b"hello"]);
    for at in 5..clean.len() {
        let (mut client, mut server) = world.agreed();
        let mut cipher = sealed(&mut client, &[b"hello"]);
        cipher[at] ^= 1;
        assert!(told(&mut server, &cipher, 100).is_err(), "byte {at}");
        assert!(server.wants_send() && told(&mut client, &sent(&mut server), 100).is_err());
        assert!(server.push(&clean, &mut Vec::with_capacity(10)).is_err(), "it stays failed");
    }
    assert!(told(&mut server, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", 100).is_err());
}

#[test]
fn reasons_are_in_plain_words() {
    let refused = |world: &World, asked: &str| {
        let mut client = Session::client(&world.client, name(asked)).expect("a client");
        let mut server = Session::server(&world.server.0).expect("a server");
        reason(&agree(&mut client, &mut server).expect_err("refused")).into_owned()
    };
    let sound = world(|_| {});
    assert_eq!(refused(&sound, "other.example"), "the certificate is for another name (relay.example)");
    let past = |params: &mut CertificateParams| {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    };
    assert_eq!(refused(&world(past), "relay.example"), "the certificate has expired");
    let future = |params: &mut CertificateParams| params.not_before = rcgen::date_time_ymd(2900, 1, 1);
    assert_eq!(refused(&world(future), "relay.example"), "the certificate is not valid yet");
    let stranger = World { client: party::client(&Trust::system()), server: sound.server };
    assert_eq!(refused(&stranger, "relay.example"), "the certificate is of an unknown issuer");
}
