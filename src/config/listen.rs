//! Addresses to listen on, and addresses that may connect.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;

use crate::limits;

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// TCP. An unspecified IPv6 address takes IPv4 too.
    Tcp(SocketAddr),
    /// A Unix socket at this path.
    Unix(PathBuf),
}

impl Listen {
    /// From `ADDRESS:PORT`, `[ADDRESS]:PORT`, `:PORT` or `*:PORT` (every address), `localhost:PORT`, `unix:/path`.
    pub fn parse(text: &str) -> Result<Listen, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path.len() {
                _ if !path.starts_with('/') => Err("the path of a Unix socket begins with \"/\"".to_owned()),
                length if length > limits::UNIX_PATH_BYTES_MAX => {
                    Err(format!("the path of a Unix socket has {} bytes at most", limits::UNIX_PATH_BYTES_MAX))
                }
                _ => Ok(Listen::Unix(PathBuf::from(path))),
            };
        }
        let form = "expected ADDRESS:PORT, [ADDRESS]:PORT, :PORT or unix:/path";
        let (host, port) = text.rsplit_once(':').ok_or(form)?;
        let port = match crate::base::ascii::decimal(port.as_bytes()).map(u16::try_from) {
            Some(Ok(port)) => port,
            Some(Err(_)) | None => return Err(form.to_owned()),
        };
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let ip = match (host, bracketed) {
            ("" | "*", _) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            ("localhost", _) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            (_, Some(v6)) => IpAddr::V6(v6.parse().map_err(|_| form)?),
            (v4, None) => IpAddr::V4(v4.parse().map_err(|_| form)?),
        };
        Ok(Listen::Tcp(SocketAddr::new(ip, port)))
    }

    /// Whether only this machine can reach it.
    pub fn is_loopback(&self) -> bool {
        match self {
            Listen::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Listen::Unix(_) => true,
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Tcp(address) => address.fmt(f),
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Who may connect; empty is everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IpList(Box<[IpNet]>);

impl IpList {
    /// From networks.
    pub fn new(nets: Vec<IpNet>) -> IpList {
        IpList(nets.into())
    }

    /// Whether `ip` may connect. Loopback always may; an IPv4 address that came in over IPv6 is an IPv4 address.
    pub fn admits(&self, ip: &IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.is_empty() || ip.is_loopback() || self.0.iter().any(|net| net.contains(&ip))
    }
}

/// A network (`192.168.1.0/24`) or a single address.
pub fn net(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_told_apart() {
        let cases = [
            ("127.0.0.1:7070", "127.0.0.1:7070", true),
            ("[::1]:7070", "[::1]:7070", true),
            ("[::ffff:127.0.0.1]:1", "[::ffff:127.0.0.1]:1", true),
            (":7070", "[::]:7070", false),
            ("*:7070", "[::]:7070", false),
            ("localhost:1", "127.0.0.1:1", true),
            ("0.0.0.0:80", "0.0.0.0:80", false),
            ("unix:/run/weir/relay.sock", "unix:/run/weir/relay.sock", true),
        ];
        for (text, shown, loopback) in cases {
            let listen = Listen::parse(text).unwrap();
            assert_eq!((listen.to_string().as_str(), listen.is_loopback()), (shown, loopback));
        }
        for bad in ["", "7070", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "::1:7070", "unix:relay", "h:80", ":+1"] {
            assert!(Listen::parse(bad).is_err(), "{bad}");
        }
        let long = |bytes: usize| format!("unix:/{}", "x".repeat(bytes - 1));
        assert!(Listen::parse(&long(limits::UNIX_PATH_BYTES_MAX)).is_ok());
        let told = Listen::parse(&long(limits::UNIX_PATH_BYTES_MAX + 1)).unwrap_err();
        assert!(told.contains(&limits::UNIX_PATH_BYTES_MAX.to_string()), "{told}");
    }

    #[test]
    fn loopback_is_always_admitted() {
        let list =
            IpList::new(vec![net("192.168.1.0/24").unwrap(), net("10.0.0.5").unwrap(), net("2001:db8::/32").unwrap()]);
        for ip in ["192.168.1.77", "10.0.0.5", "127.0.0.9", "::1", "::ffff:192.168.1.1", "2001:db8::9"] {
            assert!(list.admits(&ip.parse().unwrap()), "{ip}");
        }
        for ip in ["192.168.2.1", "10.0.0.6", "2001:db9::1"] {
            assert!(!list.admits(&ip.parse().unwrap()), "{ip}");
        }
        assert!(IpList::default().admits(&"8.8.8.8".parse().unwrap()));
        assert_eq!((net("10.0.0.0/33"), net("x")), (None, None));
    }
}
