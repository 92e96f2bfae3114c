//! Proxies that answer in every way there is, whole and byte by byte.

use super::*;

/// What a conversation says, in turn, when it is answered with `answers`; whether the way is open at the end.
fn talk(mut with: Conversation, answers: &[&[u8]], bytewise: bool) -> Result<(Vec<Vec<u8>>, bool), Refused> {
    let mut said = Vec::new();
    for answer in answers {
        let mut out = Vec::new();
        while let [first, ..] = with.to_send() {
            out.push(*first);
            with.sent(1);
        }
        said.push(out);
        assert!(!with.is_open());
        if bytewise {
            answer.iter().try_for_each(|byte| with.push(&[*byte]))?;
        } else {
            with.push(answer)?;
        }
    }
    said.push(with.to_send().to_vec());
    Ok((said, with.is_open()))
}

fn both(make: impl Fn() -> Conversation, answers: &[&[u8]]) -> Result<(Vec<Vec<u8>>, bool), Refused> {
    let whole = talk(make(), answers, false);
    assert_eq!(whole, talk(make(), answers, true), "however it is cut");
    whole
}

const NAME: Target<'_> = Target::Name("api.example", 443);

#[test]
fn connect_is_asked_and_answered() {
    let (said, open) = both(|| Conversation::http(NAME, None), &[b"HTTP/1.1 200 OK\r\nvia: x\r\n\r\n"]).unwrap();
    assert_eq!(said[0], b"CONNECT api.example:443 HTTP/1.1\r\nhost: api.example:443\r\n\r\n");
    assert!(open && said[1].is_empty());
    let answer = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 Connection established\r\n\r\n";
    let with = || Conversation::http(Target::Name("::1", 8443), Some(b"user:pass"));
    let (said, open) = both(with, &[answer]).unwrap();
    let asked = String::from_utf8(said[0].clone()).unwrap();
    assert!(asked.starts_with("CONNECT [::1]:8443 HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("\r\nproxy-authorization: Basic dXNlcjpwYXNz\r\n"), "{asked}");
    assert!(open);
}

#[test]
fn connect_is_refused() {
    let cases: [(&[u8], &str); 5] = [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "credentials"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "it answered 502"),
        (b"HTTP/1.1 302 Found\r\nlocation: /login\r\n\r\n", "it answered 302"),
        (b"SSH-2.0-OpenSSH\r\n", "not valid HTTP"),
        (b"HTTP/1.1 200 OK\r\n\r\n\x16", "more than was asked"),
    ];
    for (answer, words) in cases {
        let refused = both(|| Conversation::http(NAME, None), &[answer]).unwrap_err();
        assert!(refused.reason.contains(words) && !refused.address, "{refused:?}");
    }
    let answer = |bytes: usize| {
        let bare = "HTTP/1.1 200 OK\r\nx: \r\n\r\n";
        bare.replace("x: ", &format!("x: {}", "y".repeat(bytes - bare.len())))
    };
    let mut most = Conversation::http(NAME, None);
    assert!(most.push(answer(limits::PROXY_HEAD_BYTES_MAX).as_bytes()).is_ok() && most.is_open());
    for over in [answer(limits::PROXY_HEAD_BYTES_MAX + 1), answer(2 * limits::PROXY_HEAD_BYTES_MAX)] {
        assert!(Conversation::http(NAME, None).push(over.as_bytes()).is_err());
    }
}

#[test]
fn socks_is_asked_and_answered() {
    let make = || Conversation::socks(NAME, None).unwrap();
    let (said, open) = both(make, &[&[5, 0], &[5, 0, 0, 1, 10, 0, 0, 1, 1, 2]]).unwrap();
    assert_eq!(said[0], [5, 1, 0]);
    assert_eq!(said[1], [&[5, 1, 0, 3, 11][..], b"api.example", &[1, 187]].concat());
    assert!(open);
    let v4 = || Conversation::socks(Target::Address("10.0.0.9:80".parse().unwrap()), Some(b"us:er:x")).unwrap();
    let answers: [&[u8]; 3] = [&[5, 2], &[1, 0], &[5, 0, 0, 3, 2, b'a', b'b', 0, 80]];
    let (said, open) = both(v4, &answers).unwrap();
    assert_eq!(said[0], [5, 2, 0, 2]);
    assert_eq!(said[1], [&[1, 2][..], b"us", &[4], b"er:x"].concat());
    assert_eq!(said[2], [5, 1, 0, 1, 10, 0, 0, 9, 0, 80]);
    assert!(open);
    let v6 = || Conversation::socks(Target::Address("[::1]:443".parse().unwrap()), Some(b"only-a-user")).unwrap();
    let mut long = vec![5, 0, 0, 4];
    long.extend([0; 18]);
    let (said, open) = both(v6, &[&[5, 0], &long]).unwrap();
    assert_eq!((said[1][3], said[1].len(), open), (4, 22, true), "a proxy that wants no credentials gets none");
}

#[test]
fn socks_is_refused() {
    let plain = || Conversation::socks(NAME, None).unwrap();
    let with = || Conversation::socks(NAME, Some(b"u:p")).unwrap();
    assert!(both(plain, &[&[5, 255]]).unwrap_err().reason.contains("asks for credentials"));
    assert!(both(plain, &[&[5, 2]]).is_err(), "a method that was not offered");
    assert!(both(with, &[&[5, 255]]).unwrap_err().reason.contains("neither"));
    assert!(both(plain, &[b"HTTP/1.1 400"]).unwrap_err().reason.contains("does not speak SOCKS"));
    assert!(both(with, &[&[5, 2], &[1, 1]]).unwrap_err().reason.contains("refuses the credentials"));
    for (reply, address) in [(1, false), (2, false), (3, true), (4, true), (5, true), (6, true), (8, true), (99, false)]
    {
        let refused = both(plain, &[&[5, 0], &[5, reply, 0, 1, 0]]).unwrap_err();
        assert_eq!(refused.address, address, "{refused:?}");
    }
    assert!(both(plain, &[&[5, 0], &[5, 0, 0, 9, 0]]).is_err());
    assert!(both(plain, &[&[5, 0], &[5, 0, 0, 1, 1, 1, 1, 1, 1, 1, 0]]).unwrap_err().reason.contains("more"));
}

#[test]
fn names_have_255_bytes_at_most() {
    let (fits, over) = ("x".repeat(255), "x".repeat(256));
    assert!(Conversation::socks(Target::Name(&fits, 1), Some(format!("{fits}:{fits}").as_bytes())).is_ok());
    assert!(Conversation::socks(Target::Name(&over, 1), None).is_err());
    assert!(Conversation::socks(NAME, Some(format!("{over}:p").as_bytes())).is_err());
    assert!(Conversation::socks(NAME, Some(format!("u:{over}").as_bytes())).is_err());
}
