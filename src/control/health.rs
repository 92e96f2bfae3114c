//! The health of keys, as it is told to people and kept for the next process.
//!
//! Told: a key cools as a whole or for some of its models; a rest that is over is none. Kept: the rows at rest, in one
//! small file of the data folder, written when they change and read before anything is served. Rows are named by
//! fingerprints; the file holds no secret. What is only counted, failures that led to no rest, is not kept.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::troubles::Last;
use super::{Shared, kept, stamp, unix_ms};
use crate::config::Snapshot;
use crate::config::snapshot::Cooldown;
use crate::plan::board::{Board, Said};
use crate::plan::breaker::{Health, State};

/// Name of the file in the data folder.
pub(super) const FILE: &str = "health.json";

/// What is told of one key.
pub(crate) struct KeyHealth {
    /// When the key as a whole may be asked again, where it rests.
    rests_until_ms: Option<u64>,
    disabled: bool,
    /// `ok`, `cooling`, `probing` or `disabled`.
    pub(crate) health: &'static str,
    /// When it may be asked again, as a whole or for the model that waits longest.
    pub(crate) until_ms: Option<u64>,
    /// Models for which it rests.
    pub(crate) models: usize,
    /// `health`, `cooling_until`, `cause` and `models`, beside the key's name; `failures` and `last_error` too where
    /// they have been asked for.
    pub(crate) told: Value,
}

/// What is told of each key of a snapshot, in their order.
pub(crate) fn of_keys(board: &Board, snapshot: &Snapshot, now_ms: u64) -> Vec<KeyHealth> {
    let said = board.said();
    let rows = board.rows(snapshot);
    let told = |(key, row): (&crate::config::snapshot::Key, &Arc<crate::plan::board::KeyRow>)| {
        let start = said.partition_point(|said| said.key < row.fingerprint());
        let of_it = said[start..].iter().take_while(|said| said.key == row.fingerprint());
        let (mut whole, mut models) = (None, Vec::new());
        for (said, trouble) in of_it.filter_map(|said| Some((said, trouble(said.word, now_ms, &snapshot.cooldown)?))) {
            match said.marks {
                Some(_) => whole = Some(trouble),
                None => models.push((&said.model, trouble)),
            }
        }
        let all = || whole.iter().chain(models.iter().map(|(_, trouble)| trouble));
        // The key as a whole says more than any model of it; among models, the last to be well again.
        let worst = whole.or_else(|| all().max_by_key(|trouble| trouble.until_ms).copied());
        let health = match worst {
            _ if key.disabled => "disabled",
            None => "ok",
            Some(worst) => worst.health(),
        };
        let until_ms = worst.and_then(|worst| worst.until_ms);
        let models: Vec<Value> = models.iter().map(|(model, trouble)| trouble.told("model", model)).collect();
        let count = models.len();
        let mut told = worst.unwrap_or_default().told("name", &key.name);
        told["health"] = health.into();
        told["models"] = models.into();
        let rests_until_ms = whole.and_then(|whole| whole.until_ms);
        KeyHealth { rests_until_ms, disabled: key.disabled, health, until_ms, models: count, told }
    };
    snapshot.keys.iter().zip(rows.iter()).map(told).collect()
}

/// When the first of these keys may be asked again, if there are any and all of them rest.
pub(crate) fn all_rest(keys: &[KeyHealth]) -> Option<u64> {
    let mut first = None;
    for key in keys.iter().filter(|key| !key.disabled) {
        let until = key.rests_until_ms?;
        first = Some(first.map_or(until, |first: u64| first.min(until)));
    }
    first
}

/// A moment as the API spells it, or null.
pub(crate) fn moment(unix_ms: Option<u64>) -> Value {
    unix_ms.map_or(Value::Null, |unix_ms| stamp::moment(unix_ms).into())
}

/// What keeps something from use.
#[derive(Clone, Copy, Default)]
struct Trouble {
    /// Nothing while one request finds out.
    until_ms: Option<u64>,
    cause: Option<&'static str>,
}

impl Trouble {
    fn health(self) -> &'static str {
        if self.until_ms.is_some() { "cooling" } else { "probing" }
    }

    fn told(self, named: &str, name: &str) -> Value {
        json!({ named: name, "health": self.health(), "cooling_until": moment(self.until_ms), "cause": self.cause })
    }
}

fn trouble(word: u64, now_ms: u64, policy: &Cooldown) -> Option<Trouble> {
    let health = Health::of(word);
    let until_ms = health.is_resting(now_ms, policy).then_some(health.until_ms);
    let is_probed = health.is_probed(now_ms);
    (until_ms.is_some() || is_probed).then(|| Trouble { until_ms, cause: Some(health.cause.name()) })
}

/// A key that rests.
pub(crate) struct Rest {
    /// Its place in the snapshot.
    pub(crate) key: usize,
    /// For which model; nothing for all.
    pub(crate) model: Option<String>,
    pub(crate) until_ms: u64,
    pub(crate) why: &'static str,
}

/// What rests now, of a snapshot.
pub(crate) fn rests(board: &Board, snapshot: &Snapshot, now_ms: u64) -> Vec<Rest> {
    let rows = board.rows(snapshot);
    let key = |fingerprint: u64| rows.iter().position(|row| row.fingerprint() == fingerprint);
    let rest = |said: Said| {
        let trouble = trouble(said.word, now_ms, &snapshot.cooldown)?;
        let model = said.marks.is_none().then(|| said.model.to_string());
        Some(Rest { key: key(said.key)?, model, until_ms: trouble.until_ms?, why: trouble.cause.unwrap_or_default() })
    };
    board.said().into_iter().filter_map(rest).collect()
}

/// The rows that are worth keeping: those at rest.
pub(super) fn rows(board: &Board) -> Vec<Said> {
    let mut rows = board.said();
    rows.retain(|row| Health::of(row.word).state != State::Closed || row.marks.is_some_and(|marks| marks != 0));
    rows
}

/// Tells a board what an earlier process has kept.
pub(super) fn recall(board: &Board, data_dir: &Path) {
    board.recall(&kept::recall::<Said>(data_dir, FILE));
}

/// What is told of the providers' keys now.
pub(crate) fn now(shared: &Shared, snapshot: &Snapshot) -> Vec<KeyHealth> {
    let mut keys = of_keys(&shared.board, snapshot, unix_ms());
    let collector = shared.collector();
    for (health, key) in keys.iter_mut().zip(&snapshot.keys) {
        let provider = &snapshot.providers[usize::from(key.provider)].name;
        let trouble = collector.troubles.of(provider, &key.name);
        health.told["failures"] = trouble.map_or(0, |trouble| trouble.failures).into();
        health.told["last_error"] = trouble.map(|trouble| last_error(&trouble.last)).into();
    }
    keys
}

fn last_error(last: &Last) -> Value {
    let status = (last.status != 0).then_some(last.status);
    json!({ "unix_ms": last.unix_ms, "status": status, "model": last.model, "message": last.why })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;

    use super::*;
    use crate::config::tests::snapshot;
    use crate::control::kept::Kept;
    use crate::control::socket::tests::Folder;
    use crate::plan::board::{Leave, Model};
    use crate::plan::breaker::{Cause, Outcome};

    const NOW: u64 = 1_795_000_000_000;
    const FILE_TEXT: &str = r#"{"providers": {"p": {"protocol": "chat", "base_url": "http://127.0.0.1:1", "keys": ["canary-a", "canary-b"]}}}"#;

    fn fail(board: &Board, snapshot: &Snapshot, key: usize, model: &str, cause: Cause, hint_ms: Option<u64>) {
        let (row, outcome) = (&board.rows(snapshot)[key], Outcome::Failed(cause, hint_ms));
        assert!(board.tell(row, Model::new(model), Leave::default(), outcome, NOW, &snapshot.cooldown));
    }

    #[test]
    fn a_model_at_rest_and_a_key_at_rest_are_told_apart() {
        let (board, snapshot) = (Board::new(), snapshot(FILE_TEXT));
        let told = |after: u64| of_keys(&board, &snapshot, NOW + after);
        assert!(told(0).iter().all(|key| key.told["health"] == "ok" && key.told["cooling_until"].is_null()));
        fail(&board, &snapshot, 0, "m", Cause::RateLimited, Some(5_000));
        let one = told(0);
        assert_eq!(one[0].told["health"], "cooling");
        assert_eq!(one[0].told["cooling_until"], stamp::moment(NOW + 5_000));
        assert_eq!(one[0].told["cause"], "rate_limited");
        assert_eq!(one[0].told["models"][0]["model"], "m");
        assert_eq!(one[1].told["health"], "ok");
        assert_eq!(all_rest(&one), None, "other models are served");
        let over = told(5_001);
        assert_eq!(
            (&over[0].told["health"], &over[0].told["models"]),
            (&json!("ok"), &json!([])),
            "a rest that is over"
        );
        fail(&board, &snapshot, 0, "m", Cause::Rejected, None);
        let whole = told(0);
        assert_eq!((&whole[0].told["health"], &whole[0].told["cause"]), (&json!("cooling"), &json!("rejected")));
        assert_eq!(all_rest(&whole), None);
        fail(&board, &snapshot, 1, "m", Cause::Rejected, Some(7_000));
        assert_eq!(all_rest(&told(0)), Some(NOW + 7_000), "the earlier of both");
        let (row, policy) = (&board.rows(&snapshot)[1], &snapshot.cooldown);
        assert!(board.enter(row, Model::new("m"), NOW + 7_001, policy).is_ok());
        assert_eq!(told(7_001)[1].told["health"], "probing");
    }

    #[test]
    fn what_rests_is_known_to_the_next_process() {
        let folder = Folder::new("health");
        let (board, snapshot) = (Board::new(), snapshot(FILE_TEXT));
        let mut kept = Kept::new(&folder.0, FILE);
        kept.store(rows(&board));
        assert!(!folder.0.join(FILE).exists(), "nothing to keep");
        fail(&board, &snapshot, 0, "m", Cause::RateLimited, Some(60_000));
        fail(&board, &snapshot, 1, "m", Cause::Rejected, None);
        kept.store(rows(&board));
        let path = folder.0.join(FILE);
        assert_eq!(fs::metadata(&path).expect("kept").mode() & 0o777, 0o600);
        let text = fs::read_to_string(&path).expect("kept");
        assert!(!text.contains("canary"), "{text}");
        let next = Board::new();
        recall(&next, &folder.0);
        assert_eq!(next.said(), board.said());
        let both = |board| of_keys(board, &snapshot, NOW).into_iter().map(|key| key.told).collect::<Vec<_>>();
        assert_eq!(both(&next), both(&board));
        assert_eq!(fs::read_dir(&folder.0).expect("a folder").count(), 1, "nothing is left behind");
    }

    #[test]
    fn a_file_that_is_none_is_passed_by() {
        let folder = Folder::new("no-health");
        for text in ["", "{", r#"{"version":2,"rows":[]}"#, r#"{"version":1,"rows":[{"key":-1}]}"#] {
            fs::write(folder.0.join(FILE), text).expect("written");
            let board = Board::new();
            recall(&board, &folder.0);
            assert_eq!(board.said(), [], "{text:?}");
        }
        // Rows of another's making: whatever they say, nothing is wrong with the board afterwards.
        let row = json!({ "key": 1, "marks": null, "tag": 0, "word": u64::MAX, "model": "m" });
        fs::write(folder.0.join(FILE), json!({ "version": 1, "rows": [row] }).to_string()).expect("written");
        let board = Board::new();
        recall(&board, &folder.0);
        assert_eq!(board.said(), []);
    }

    #[test]
    fn a_folder_that_takes_nothing_is_said_and_not_more() {
        let folder = Folder::new("no-folder");
        let (board, snapshot) = (Board::new(), snapshot(FILE_TEXT));
        fail(&board, &snapshot, 0, "m", Cause::Rejected, None);
        fs::write(folder.0.join("file"), "").expect("written");
        let mut kept = Kept::new(&folder.0.join("file"), FILE);
        kept.store(rows(&board));
        kept.store(rows(&board));
        assert!(kept.failed && kept.rows.is_empty());
    }
}
