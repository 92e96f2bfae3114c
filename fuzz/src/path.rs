//! Whatever is asked for, the target sent upstream is one word that begins with the base path. The input is a
//! path, optionally followed by `?` and a query.
use weir::http::head::Method;
use weir::protocol::address::{Upstream, target};
use weir::protocol::path::{Found, find};
use weir::protocol::{Protocol, serves};

pub fn run(input: &[u8]) {
    let end = input.iter().position(|&byte| byte == b'?').unwrap_or(input.len());
    let (path, query) = (&input[..end], input.get(end + 1..).unwrap_or_default());
    for method in [Method::Get, Method::Post, Method::Options] {
        let Found::Call(call) = find(&method, path, |name| name == b"p") else { continue };
        let model = call.model.as_deref().map(|model| String::from_utf8_lossy(model).into_owned()).unwrap_or_default();
        for protocol in [
            Protocol::Chat,
            Protocol::Responses,
            Protocol::Anthropic,
            Protocol::Gemini,
            Protocol::Azure,
            Protocol::Ollama,
        ] {
            if !serves(protocol, call.endpoint) {
                continue;
            }
            let upstream = Upstream { base_path: "/base", versioned: false, api_version: "2024-10-21" };
            let mut out = Vec::new();
            target(&call, protocol, &upstream, &model, query, &mut out);
            assert!(out.starts_with(b"/base/") && out.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#'));
            let sent = out.split(|&byte| byte == b'?').next().unwrap_or_default();
            assert!(sent.split(|&byte| byte == b'/').all(|segment| segment != b".." && segment != b"."));
        }
    }
}
