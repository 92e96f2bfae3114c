//! Any bytes as a configuration file: it is refused with a place, or its meaning answers every question put to it.

use std::io;
use std::path::Path;

use weir::config::snapshot::KeyIx;
use weir::config::{self, Outside, Overrides};
use weir::plan::binding::Bindings;
use weir::plan::pool::{Keys, Pool, Use};
use weir::plan::route;
use weir::protocol::Dialect;

/// All keys may be used, and nothing more is known of them.
struct AllFree;

impl Keys for AllFree {
    fn state(&self, _: KeyIx) -> Use {
        Use::Free
    }
    fn busy(&self, _: KeyIx) -> u32 {
        0
    }
    fn pace(&self, _: KeyIx) -> Option<(u32, u32)> {
        None
    }
    fn streamed(&self) -> bool {
        false
    }
}

pub fn run(data: &[u8]) {
    let env = |name: &str| (name != "UNSET").then(|| format!("canary-{name}"));
    let read =
        |path: &Path| if path.ends_with("none") { Err(io::ErrorKind::NotFound.into()) } else { Ok("canary".into()) };
    let outside = Outside { env: &env, read: &read, path: None, shared: true };
    let reading = config::read(data, &outside, &Overrides::default());
    assert!(reading.failed() == reading.snapshot.is_none());
    // Unless the file itself holds the word.
    let silent = !data.windows(6).any(|word| word.eq_ignore_ascii_case(b"canary"));
    for problem in &reading.problems {
        assert!(problem.line >= 1 && problem.column >= 1);
        assert!(!silent || !problem.message.contains("canary"), "a value out of the environment is shown");
    }
    let Some(snapshot) = reading.snapshot else { return };
    assert_eq!(config::diff::changes(&snapshot, &snapshot), config::diff::Changes::default());
    let clients = (0..snapshot.clients.len()).map(|client| u16::try_from(client).ok());
    for (client, dialect) in
        clients.chain([None]).flat_map(|client| [(client, Dialect::Chat), (client, Dialect::Gemini)])
    {
        for model in route::listed(&snapshot, client, dialect, None) {
            let question = route::Question { client, dialect, forced: None, model: model.id, rule: None, scene: None };
            for target in route::targets(&snapshot, &question).expect("what is listed is answered").targets {
                let pool = Pool::new(&snapshot, target.provider, 1, u64::from);
                let key = pool.pick(&AllFree, None, &Bindings::default());
                assert!(key.is_none_or(|key| snapshot.keys[usize::from(key)].provider == target.provider));
            }
        }
    }
    for (index, client) in snapshot.clients.iter().enumerate() {
        assert_eq!(snapshot.client(client.key.expose()).map(usize::from), Some(index));
    }
}
