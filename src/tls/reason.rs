//! Why a session failed, in the words of whoever runs the relay.

use std::borrow::Cow;

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

/// `error` without the names of types.
pub fn reason(error: &Error) -> Cow<'static, str> {
    use CertificateError as Bad;
    let words = match error {
        Error::InvalidCertificate(why) => match why {
            Bad::UnknownIssuer => "the certificate is of an unknown issuer",
            Bad::Expired | Bad::ExpiredContext { .. } => "the certificate has expired",
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => "the certificate is not valid yet",
            Bad::NotValidForName => "the certificate is for another name",
            Bad::NotValidForNameContext { presented, .. } => return for_another_name(presented).into(),
            Bad::Revoked => "the certificate has been revoked",
            Bad::InvalidPurpose | Bad::InvalidPurposeContext { .. } => "the certificate is not for servers",
            Bad::BadSignature => "the certificate's signature is wrong",
            Bad::BadEncoding => "the certificate is malformed",
            other => return format!("the certificate is refused: {other}").into(),
        },
        Error::NoApplicationProtocol => "it does not speak http/1.1",
        Error::AlertReceived(AlertDescription::NoApplicationProtocol) => "the other side refuses http/1.1",
        Error::AlertReceived(AlertDescription::UnrecognisedName) => "the other side does not know this name",
        Error::AlertReceived(AlertDescription::HandshakeFailure) => "the other side accepts none of what is offered",
        Error::AlertReceived(AlertDescription::ProtocolVersion) => "the other side accepts neither TLS 1.2 nor 1.3",
        Error::AlertReceived(alert) => return format!("the other side ended it with alert {alert:?}").into(),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => "the other side does not speak TLS",
        Error::PeerIncompatible(why) => return format!("the other side offers nothing in common: {why:?}").into(),
        other => return other.to_string().into(),
    };
    Cow::Borrowed(words)
}

/// The first names are enough: a certificate of a large host may have hundreds.
fn for_another_name(presented: &[String]) -> String {
    // rustls gives them with the name of their kind: `DnsName("relay.example")`.
    let bare = |name: &'_ String| name.split('"').nth(1).unwrap_or(name).to_owned();
    let shown: Vec<String> = presented.iter().take(3).map(bare).collect();
    let more = if presented.len() > shown.len() { ", …" } else { "" };
    format!("the certificate is for another name ({}{more})", shown.join(", "))
}
