use std::sync::Arc;

use super::*;
use crate::config::tests::snapshot;

const NOW: u64 = 1_795_000_000_000;

fn one_key() -> Snapshot {
    snapshot(r#"{"providers": {"p": {"protocol": "chat", "base_url": "http://127.0.0.1:1", "keys": ["a", "b"]}}}"#)
}

struct Bench {
    board: Board,
    rows: Box<[Arc<KeyRow>]>,
    policy: Cooldown,
}

impl Bench {
    fn new() -> Bench {
        let s = one_key();
        let board = Board::new();
        let rows = board.rows(&s);
        Bench { board, rows, policy: s.cooldown }
    }

    fn enter(&self, key: usize, model: &str, after_ms: u64) -> Result<Leave, Rest> {
        self.board.enter(&self.rows[key], Model::new(model), NOW + after_ms, &self.policy)
    }

    fn tell(&self, key: usize, model: &str, leave: Leave, outcome: Outcome, after_ms: u64) -> bool {
        self.board.tell(&self.rows[key], Model::new(model), leave, outcome, NOW + after_ms, &self.policy)
    }

    fn fail(&self, key: usize, model: &str, cause: Cause) {
        assert!(self.tell(key, model, Leave::default(), Outcome::Failed(cause, None), 0));
    }
}

#[test]
fn a_rate_limit_rests_the_key_for_the_model_only() {
    let bench = Bench::new();
    bench.fail(0, "m", Cause::RateLimited);
    assert_eq!(bench.enter(0, "m", 0).map_err(|rest| rest.cause), Err(Cause::RateLimited));
    assert_eq!(bench.enter(0, "n", 0), Ok(Leave::default()));
    assert_eq!(bench.enter(1, "m", 0), Ok(Leave::default()));
}

#[test]
fn a_rejection_rests_the_whole_key() {
    let bench = Bench::new();
    bench.fail(0, "m", Cause::Rejected);
    for model in ["m", "n"] {
        assert_eq!(bench.enter(0, model, 0).map_err(|rest| rest.cause), Err(Cause::Rejected));
        assert!(bench.enter(1, model, 0).is_ok());
    }
}

#[test]
fn one_request_probes_and_its_outcome_counts() {
    let bench = Bench::new();
    bench.fail(0, "m", Cause::RateLimited);
    let later = 40_000;
    let leave = bench.enter(0, "m", later).expect("the rest is over");
    assert!(leave.probes_model && !leave.probes_key);
    assert!(bench.enter(0, "m", later).is_err(), "one probe");
    bench.tell(0, "m", leave, Outcome::Open, later);
    let leave = bench.enter(0, "m", later).expect("it was given back");
    bench.tell(0, "m", leave, Outcome::Served, later);
    assert_eq!(bench.enter(0, "m", later), Ok(Leave::default()));
}

#[test]
fn a_key_that_is_let_in_again_is_well_though_its_model_is_not() {
    let bench = Bench::new();
    bench.fail(0, "m", Cause::Rejected);
    let later = 2_000_000;
    let leave = bench.enter(0, "m", later).expect("the rest is over");
    assert!(leave.probes_key);
    bench.tell(0, "m", leave, Outcome::Failed(Cause::RateLimited, None), later);
    assert!(bench.enter(0, "m", later).is_err());
    assert_eq!(bench.enter(0, "n", later), Ok(Leave::default()));
}

#[test]
fn a_probe_of_the_key_is_given_back_where_the_model_rests() {
    let bench = Bench::new();
    bench.tell(0, "m", Leave::default(), Outcome::Failed(Cause::RateLimited, Some(1_800_000)), 0);
    bench.tell(0, "n", Leave::default(), Outcome::Failed(Cause::Rejected, None), 0);
    // The key's rest ends after the model's began; the model is asked at a time when only the key is free.
    bench.tell(0, "m", Leave::default(), Outcome::Failed(Cause::RateLimited, Some(1_800_000)), 1_000_000);
    let later = 1_990_000;
    assert!(bench.enter(0, "m", later).is_err());
    assert!(bench.enter(0, "n", later).expect("the key is free to probe").probes_key);
}

#[test]
fn health_outlives_a_reload_and_a_restart() {
    let bench = Bench::new();
    bench.fail(0, "m", Cause::RateLimited);
    bench.fail(1, "m", Cause::Rejected);
    let again = bench.board.rows(&one_key());
    assert!(Arc::ptr_eq(&again[0], &bench.rows[0]));
    let other = Bench::new();
    assert!(other.enter(0, "m", 0).is_ok());
    other.board.recall(&bench.board.said());
    assert_eq!(other.enter(0, "m", 0).map_err(|rest| rest.cause), Err(Cause::RateLimited));
    assert_eq!(other.enter(1, "x", 0).map_err(|rest| rest.cause), Err(Cause::Rejected));
    assert_eq!(other.board.said(), bench.board.said());
    let names: Vec<String> = bench.board.said().into_iter().map(|row| row.model).collect();
    assert!(names.contains(&"m".to_owned()));
}

#[test]
fn rows_show_the_beginning_of_a_name_and_are_told_apart_by_all_of_it() {
    let bench = Bench::new();
    let (most, over) = ("m".repeat(limits::BOARD_NAME_BYTES), "m".repeat(limits::BOARD_NAME_BYTES + 1));
    bench.fail(0, &over, Cause::RateLimited);
    assert!(bench.enter(0, &over, 0).is_err() && bench.enter(0, &most, 0).is_ok());
    bench.fail(1, &most, Cause::RateLimited);
    let shown: Vec<String> =
        bench.board.said().into_iter().map(|row| row.model).filter(|name| !name.is_empty()).collect();
    assert_eq!(shown, [most.clone(), most]);
}

#[test]
fn a_new_secret_is_a_new_key() {
    let s = one_key();
    assert_ne!(fingerprint("p", &s.keys[0]), fingerprint("p", &s.keys[1]));
    assert_ne!(fingerprint("p", &s.keys[0]), fingerprint("q", &s.keys[0]));
}

#[test]
fn a_full_board_forgets_what_ends_first_and_never_rests_the_wrong_thing() {
    let bench = Bench::new();
    let models: Vec<String> = (0..3 * limits::BOARD_ROWS).map(|n| format!("m{n}")).collect();
    for (n, model) in models.iter().enumerate() {
        let hint = Some(1_000 + 100 * n as u64);
        bench.tell(0, model, Leave::default(), Outcome::Failed(Cause::RateLimited, hint), 0);
    }
    let resting = models.iter().filter(|model| bench.enter(0, model, 0).is_err()).count();
    assert!(resting > limits::BOARD_ROWS * 9 / 10 && resting <= limits::BOARD_ROWS, "{resting}");
    assert!(bench.enter(0, models.last().expect("one"), 0).is_err(), "the latest is remembered");
    assert!(models.iter().all(|model| bench.enter(1, model, 0).is_ok()));
    assert_eq!(bench.board.evicted(), (models.len() - resting) as u64);
}

#[test]
fn keys_that_nobody_has_are_swept() {
    let bench = Bench::new();
    bench.fail(0, "m", Cause::Rejected);
    let Bench { board, rows, policy } = bench;
    drop(rows);
    board.sweep(NOW, &policy);
    assert_eq!(board.keys().len(), 1, "one rests and is remembered");
    board.sweep(NOW + 2_000_000, &policy);
    assert_eq!(board.keys().len(), 0);
}
