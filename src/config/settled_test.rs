//! The settled questions of the contract (config.md §5) on timers, retries and keys: each sentence and the tests that hold
//! it. A test that is not there is a failure.

use super::snapshot::{Affinity, Snapshot};
use super::tests::snapshot;

/// What is settled, and files with a test in each.
type Line = (&'static str, &'static [(&'static str, &'static str)]);

const BREAKER: &str = "src/plan/breaker_test.rs";
const BOARD: &str = "src/plan/board_test.rs";
const RETRY: &str = "src/plan/retry.rs";
const HINTS: &str = "src/plan/hints.rs";
const POOL: &str = "src/plan/pool_test.rs";
const SETTLED: &str = "tests/relay/settled.rs";
const FALLBACK: &str = "tests/relay/fallback.rs";
const STREAMS: &str = "tests/relay/streams.rs";
const COMMIT: &str = "tests/relay/commit.rs";
const POOLS: &str = "tests/relay/pools.rs";
const PROMISES: &str = "tests/relay/promises.rs";
const HERE: &str = "src/config/settled_test.rs";

const TIMERS_AND_RETRIES: &[Line] = &[
    (
        "consecutive 5xx, timeouts and connection failures of a key and model count, and rest it at `failures`; a success clears them",
        &[
            (BREAKER, "failures_in_a_row_rest_it_and_a_success_clears_them"),
            (PROMISES, "promise_17_a_key_in_trouble_rests"),
        ],
    ),
    ("429, 529, 401, 402, 403 rest it at once", &[(BREAKER, "rate_limits_and_rejections_rest_it_at_once")]),
    ("529 is as 429, 408 as 5xx", &[(RETRY, "statuses_follow_the_table_of_the_design")]),
    ("a rest doubles when it is repeated, up to `max_ms`", &[(BREAKER, "rests_double_up_to_the_longest")]),
    ("jitter is a tenth at most", &[(BREAKER, "jitter_is_at_most_a_tenth")]),
    (
        "waits are read in every form in which vendors say them",
        &[(HINTS, "waits_in_all_the_ways_that_vendors_say_them"), (HINTS, "junk_is_not_said")],
    ),
    ("on 429, 503 and 529", &[(HINTS, "only_some_statuses_ask_to_wait")]),
    ("one longer than `max_ms` is cut", &[(BREAKER, "hints_are_kept_and_cut"), (BREAKER, "no_rest_is_too_long")]),
    (
        "429, 5xx and an unknown model rest a key for a model",
        &[
            (BOARD, "a_rate_limit_rests_the_key_for_the_model_only"),
            (RETRY, "an_unknown_model_is_told_from_an_unknown_path"),
        ],
    ),
    ("401, 402 and 403 rest the key", &[(BOARD, "a_rejection_rests_the_whole_key")]),
    (
        "the same secret in two providers is two keys",
        &[(BOARD, "a_new_secret_is_a_new_key"), (SETTLED, "the_same_secret_of_two_providers_is_two_keys")],
    ),
    (
        "after a rest one request probes, and the others wait for its outcome elsewhere",
        &[
            (BOARD, "one_request_probes_and_its_outcome_counts"),
            (BREAKER, "after_the_rest_one_request_probes"),
            (BREAKER, "one_of_two_probes"),
        ],
    ),
    (
        "`rounds_max` counts rounds after the first; between them the earliest end of a rest is waited for, `round_wait_ms_max` at most",
        &[(RETRY, "rounds_and_their_waits_are_bounded"), (SETTLED, "a_round_waits_for_the_earliest_end_of_a_rest")],
    ),
    ("`attempts_max` bounds attempts over everything", &[(FALLBACK, "attempts_have_an_end")]),
    (
        "the repeat on a stale connection is no attempt",
        &[(SETTLED, "a_stale_connection_is_no_attempt"), (PROMISES, "promise_15_a_stale_connection_is_not_counted")],
    ),
    ("an unknown model goes to the next target", &[(FALLBACK, "an_unknown_model_goes_to_another_target")]),
    ("or back, where none is left", &[(SETTLED, "an_unknown_model_without_another_target_goes_back")]),
    ("400, 413 and 422 go back", &[(FALLBACK, "the_clients_own_fault_goes_back")]),
    ("a provider that was named does not fall back", &[(FALLBACK, "a_forced_provider_does_not_fall_back")]),
    (
        "where all keys rest: 429 if one does from a rate limit, else 503, and the seconds to the first",
        &[(SETTLED, "where_all_rest_the_caller_is_told_why_and_until_when")],
    ),
    (
        "a last 401 or 403 is 502, naming the provider, quoting nobody",
        &[(FALLBACK, "a_rejected_key_is_not_the_clients_fault")],
    ),
    (
        "other statuses keep their number, 529 only towards Anthropic's",
        &[(FALLBACK, "the_last_answer_is_told_in_the_dialect")],
    ),
    (
        "answers that are not streamed are held until 64 KB or their end",
        &[(FALLBACK, "a_broken_answer_is_passed_by"), (SETTLED, "an_answer_cut_behind_what_is_held_is_broken_off")],
    ),
    ("beyond that the framing is broken off", &[(SETTLED, "an_answer_cut_behind_what_is_held_is_broken_off")]),
    ("a reason to end without text is an answer", &[(COMMIT, "a_reason_without_text_is_an_answer")]),
    (
        "neither is a failure",
        &[
            (COMMIT, "a_stream_that_says_nothing_goes_to_the_next_key"),
            (STREAMS, "a_stream_that_ends_without_saying_why_is_cut"),
        ],
    ),
    ("a missing end mark behind a reason is none", &[(STREAMS, "a_stream_that_says_why_may_lack_its_end_mark")]),
    ("no ping comes before the head", &[(SETTLED, "no_ping_comes_before_the_head")]),
    (
        "after commit: an error event of the dialect and the end of the framing, never the end mark",
        &[
            (STREAMS, "a_cut_stream_tells_in_the_dialect"),
            ("tests/relay/translation.rs", "a_stream_that_is_cut_never_looks_whole"),
        ],
    ),
    ("without an error event the framing is broken off", &[(STREAMS, "a_cut_chat_stream_is_broken_off")]),
];

const KEYS: &[Line] = &[
    ("defaults", &[(HERE, "defaults_of_keys_are_those_of_the_contract")]),
    ("weight 0: only when nothing else is left", &[(POOL, "tiers_follow_priority_and_weight_0_is_the_very_last")]),
    (
        "`ids`: explicit ids in the order of the contract",
        &[
            ("src/plan/conversation.rs", "the_first_name_in_the_order_of_the_contract_counts"),
            (POOLS, "a_conversation_stays_on_its_key"),
        ],
    ),
    (
        "`conversation`: those, else what it begins with",
        &[
            ("src/plan/conversation.rs", "without_a_name_a_conversation_is_what_it_begins_with"),
            (POOLS, "a_conversation_without_a_name_is_what_it_begins_with"),
        ],
    ),
    ("a full pool overflows to the next key", &[(POOLS, "a_full_key_overflows_then_is_waited_for")]),
    ("then to the next target, then waits", &[(SETTLED, "a_full_pool_overflows_to_the_next_target")]),
    ("then 429 with `retry-after`", &[(POOLS, "a_wait_has_an_end")]),
];

#[test]
fn defaults_of_keys_are_those_of_the_contract() {
    let Snapshot { keys, providers, .. } = &snapshot(
        r#"{"providers": {"p": {"protocol": "chat", "base_url": "http://127.0.0.1:1", "keys": ["a", {"key": "b"}]}}}"#,
    );
    for key in keys {
        assert_eq!((key.weight, key.priority), (1, 100));
        assert_eq!((key.max_concurrent, key.queue, key.queue_ms), (0, 0, 30_000));
    }
    assert_eq!(providers[0].affinity, Affinity::Ids);
}

#[test]
fn every_settled_line_has_its_tests() {
    for (line, tests) in TIMERS_AND_RETRIES.iter().chain(KEYS) {
        assert!(!tests.is_empty(), "{line}");
        for (file, test) in *tests {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
            let text = std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("{line}: there is no {file}"));
            let on_drivers = text.contains(&format!("fn {test}(driver: Driver)"))
                && text.lines().any(|line| line.trim() == format!("{test},"));
            let alone = text.find(&format!("fn {test}(")).is_some_and(|at| {
                let before = text[..at].trim_end();
                before.lines().rev().take(3).any(|line| line.trim() == "#[test]")
            });
            assert!(on_drivers || alone, "{line}: there is no test {test} in {file}");
        }
    }
}
