//! What a proxy answers, over HTTP or SOCKS: in any pieces it is the same verdict, nothing is taken for the provider's, and
//! no password comes back in words. The first byte chooses the conversation, the second one the length of the pieces.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use weir::http::proxy::{Conversation, Target};

const PASSWORD: &str = "canary";

fn conversation(kind: u8) -> Conversation {
    let target = match kind >> 2 & 3 {
        0 => Target::Name("provider.example", 443),
        1 => Target::Name("2001:db8::1", 443),
        2 => Target::Address(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 443)),
        _ => Target::Address(SocketAddr::new(Ipv6Addr::LOCALHOST.into(), 443)),
    };
    let credentials = format!("user:{PASSWORD}");
    let credentials = (kind & 2 != 0).then_some(credentials.as_bytes());
    match kind & 1 {
        0 => Conversation::http(target, credentials),
        _ => Conversation::socks(target, credentials).expect("the names are short"),
    }
}

/// Whether the way is open, or why it is not; and all that was said on it.
fn verdict(kind: u8, reply: &[u8], step: usize) -> (Result<bool, String>, Vec<u8>) {
    let (mut conversation, mut said) = (conversation(kind), Vec::new());
    let mut speak = |conversation: &mut Conversation| {
        said.extend_from_slice(conversation.to_send());
        conversation.sent(conversation.to_send().len());
        assert!(conversation.to_send().is_empty());
    };
    speak(&mut conversation);
    for piece in reply.chunks(step) {
        if let Err(refused) = conversation.push(piece) {
            assert!(!refused.reason.contains(PASSWORD));
            return (Err(refused.reason.into_owned()), Vec::new());
        }
        speak(&mut conversation);
    }
    (Ok(conversation.is_open()), said)
}

pub fn run(input: &[u8]) {
    let [kind, step, reply @ ..] = input else { return };
    let (whole, _) = verdict(*kind, reply, reply.len().max(1));
    let (pieces, said) = verdict(*kind, reply, 1);
    assert_eq!(pieces, whole);
    assert_eq!(verdict(*kind, reply, usize::from(*step) + 1).0, whole);
    // A way that is open was asked for in full.
    if whole == Ok(true) {
        let asked = if kind & 1 == 0 { b"CONNECT ".as_slice() } else { &[5] };
        assert!(said.starts_with(asked) && said.len() > 10);
    }
}
