//! Orders of keys for each balance, and conversations that stay where they are.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::config::tests::snapshot;

#[derive(Default)]
struct Now {
    states: RefCell<HashMap<KeyIx, Use>>,
    busy: RefCell<HashMap<KeyIx, u32>>,
    paces: RefCell<HashMap<KeyIx, (u32, u32)>>,
    streamed: Cell<bool>,
}

impl Keys for Now {
    fn state(&self, key: KeyIx) -> Use {
        self.states.borrow().get(&key).copied().unwrap_or(Use::Free)
    }
    fn busy(&self, key: KeyIx) -> u32 {
        self.busy.borrow().get(&key).copied().unwrap_or(0)
    }
    fn pace(&self, key: KeyIx) -> Option<(u32, u32)> {
        self.paces.borrow().get(&key).copied()
    }
    fn streamed(&self) -> bool {
        self.streamed.get()
    }
}

struct Plan {
    pool: Pool,
    now: Now,
    bindings: Bindings,
    s: Snapshot,
}

impl Plan {
    fn new(balance: &str, keys: &str) -> Plan {
        let s = snapshot(&format!(
            r#"{{"providers": {{"p": {{"protocol": "chat", "base_url": "http://127.0.0.1:1", "balance": "{balance}", "keys": [{keys}]}}}}}}"#
        ));
        let pool = Pool::new(&s, 0, 0, |key| hash::of(7, s.keys[usize::from(key)].name.as_bytes()));
        Plan { pool, now: Now::default(), bindings: Bindings::default(), s }
    }

    fn set(&self, name: &str, state: Use) {
        let place = self.s.keys.iter().position(|key| *key.name == *name).unwrap();
        self.now.states.borrow_mut().insert(place as KeyIx, state);
    }

    fn pick(&self, conversation: Option<u64>) -> String {
        let key = self.pool.pick(&self.now, conversation, &self.bindings);
        key.map_or("-".to_owned(), |key| self.s.keys[usize::from(key)].name.to_string())
    }

    fn picks(&self, count: usize) -> String {
        (0..count).map(|_| self.pick(None)).collect::<Vec<_>>().join(" ")
    }
}

const FOUR: &str =
    r#"{"key": "1", "name": "a"}, {"key": "2", "name": "b"}, {"key": "3", "name": "c"}, {"key": "4", "name": "d"}"#;

#[test]
fn keys_take_turns_and_the_turns_of_one_that_rests_are_spread() {
    let plan = Plan::new("round_robin", FOUR);
    assert_eq!(plan.picks(5), "a b c d a");
    plan.set("b", Use::Not);
    assert_eq!(plan.picks(6), "c d a c d a");
    plan.set("b", Use::Free);
    ["a", "c", "d"].iter().for_each(|name| plan.set(name, Use::Not));
    assert_eq!(plan.picks(2), "b b");
    plan.set("b", Use::Full);
    assert_eq!(plan.picks(1), "-");
}

#[test]
fn tiers_follow_priority_and_weight_0_is_the_very_last() {
    let plan = Plan::new(
        "round_robin",
        r#"{"key": "1", "name": "late", "priority": 200}, {"key": "2", "name": "a"}, {"key": "3", "name": "b"},
           {"key": "4", "name": "off", "disabled": true, "priority": 1}, {"key": "5", "name": "zero", "weight": 0, "priority": 1}"#,
    );
    assert_eq!(plan.picks(3), "a b a");
    plan.set("a", Use::Not);
    assert_eq!(plan.picks(2), "b b");
    plan.set("b", Use::Not);
    assert_eq!(plan.picks(2), "late late");
    plan.set("late", Use::Not);
    assert_eq!(plan.picks(2), "zero zero");
    plan.set("zero", Use::Not);
    assert_eq!(plan.picks(1), "-");
}

#[test]
fn what_a_key_is_for_and_what_not_is_the_files() {
    let plan = Plan::new(
        "round_robin",
        r#"{"key": "1", "models": ["gpt-*", "o3"]}, {"key": "2", "exclude_models": ["*-pro"]}, {"key": "3", "disabled": true}"#,
    );
    let serves = |model: &str| -> Vec<bool> { plan.s.keys.iter().map(|key| key.serves(model)).collect() };
    assert_eq!(serves("gpt-5"), [true, true, false]);
    assert_eq!(serves("O3"), [true, true, false]);
    assert_eq!(serves("o3-pro"), [false, false, false]);
    assert_eq!(serves("gpt-5-pro"), [true, false, false]);
    assert_eq!(serves("claude"), [false, true, false]);
}

#[test]
fn weights_are_shares_also_where_one_rests() {
    let plan = Plan::new(
        "weighted",
        r#"{"key": "1", "name": "a", "weight": 1}, {"key": "2", "name": "b", "weight": 4}, {"key": "3", "name": "c", "weight": 2}"#,
    );
    let count = |picks: &str, name: &str| picks.split(' ').filter(|pick| *pick == name).count();
    let picks = plan.picks(70);
    assert_eq!([count(&picks, "a"), count(&picks, "b"), count(&picks, "c")], [10, 40, 20]);
    plan.set("b", Use::Not);
    let picks = plan.picks(300);
    assert_eq!([count(&picks, "a"), count(&picks, "b"), count(&picks, "c")], [100, 0, 200]);
}

#[test]
fn where_nearly_all_turns_rest_a_lot_keeps_the_proportion() {
    let plan = Plan::new(
        "weighted",
        r#"{"key": "1", "name": "huge", "weight": 1000000}, {"key": "2", "name": "b", "weight": 3}, {"key": "3", "name": "c"}"#,
    );
    plan.set("huge", Use::Not);
    let picks = plan.picks(4_000);
    let b = picks.split(' ').filter(|pick| *pick == "b").count();
    assert!((2_850..3_150).contains(&b) && !picks.contains("huge"), "{b}");
    ["b", "c"].iter().for_each(|name| plan.set(name, Use::Not));
    assert_eq!(plan.picks(1), "-");
}

#[test]
fn fill_first_stays_with_the_first_that_lives() {
    let plan = Plan::new("fill_first", FOUR);
    assert_eq!(plan.picks(3), "a a a");
    plan.set("a", Use::Full);
    assert_eq!(plan.picks(2), "b b");
    plan.set("a", Use::Free);
    assert_eq!(plan.picks(1), "a");
}

#[test]
fn least_busy_takes_the_one_with_the_fewest_under_way() {
    let plan = Plan::new("least_busy", FOUR);
    assert_eq!(plan.picks(4), "a b c d", "equals take turns");
    plan.now.busy.borrow_mut().extend([(0, 3), (1, 1), (2, 2), (3, 1)]);
    assert_eq!(plan.picks(3), "b d b");
    plan.set("b", Use::Not);
    plan.set("d", Use::Full);
    assert_eq!(plan.picks(2), "c c");
}

#[test]
fn the_fastest_serves_and_one_in_twenty_goes_to_the_one_measured_longest_ago() {
    let plan = Plan::new("fastest", FOUR);
    plan.now.paces.borrow_mut().extend([(0, (900, 50)), (1, (300, 60)), (2, (500, 40))]);
    let picks = plan.picks(40);
    let count = |name: &str| picks.split(' ').filter(|pick| *pick == name).count();
    assert_eq!((count("b"), count("d")), (38, 2), "{picks}");
    plan.now.paces.borrow_mut().insert(3, (700, 70));
    let picks = plan.picks(20);
    assert_eq!(picks.split(' ').filter(|pick| *pick == "c").count(), 1, "{picks}");
    plan.set("b", Use::Not);
    assert_eq!(plan.picks(3), "c c c");
}

#[test]
fn speed_with_streams_is_another_than_with_whole_answers() {
    let plan = Plan::new("fastest", FOUR);
    plan.now.paces.borrow_mut().extend([(0, (100, 50)), (1, (300, 60))]);
    assert_eq!(plan.picks(2), "a a");
    // Each is asked of the same keys, with times of its own.
    plan.now.streamed.set(true);
    plan.now.paces.borrow_mut().extend([(0, (900, 50)), (1, (300, 60))]);
    assert_eq!(plan.picks(2), "b b");
    plan.now.streamed.set(false);
    plan.now.paces.borrow_mut().extend([(0, (100, 50)), (1, (300, 60))]);
    assert_eq!(plan.picks(2), "a a");
}

#[test]
fn of_many_the_busiest_are_passed_over_and_all_are_looked_at_now_and_then() {
    let count = limits::POOL_LOOKS_AT_ALL + 36;
    let keys: Vec<String> = (0..count).map(|key| format!(r#"{{"key": "{key}", "name": "k{key}"}}"#)).collect();
    let plan = Plan::new("least_busy", &keys.join(","));
    let set = |key: u32, busy: u32| _ = plan.now.busy.borrow_mut().insert(key as KeyIx, busy);
    (0..count).for_each(|key| set(key, 5));
    set(7, 9);
    // Requests that end and begin: each pick is one more under way.
    let mut had = vec![0_u32; count as usize];
    for _ in 0..3 * count {
        let picked: u32 = plan.pick(None)[1..].parse().unwrap();
        had[picked as usize] += 1;
        let busy = plan.now.busy.borrow()[&(picked as KeyIx)];
        set(picked, busy + 1);
    }
    let busy: Vec<u32> = (0..count).map(|key| plan.now.busy.borrow()[&(key as KeyIx)]).collect();
    let (least, most) = (busy.iter().min().unwrap(), busy.iter().max().unwrap());
    assert!(had[7] == 0 && *least >= 7 && *most == 9, "{busy:?}");
    // One that has become idle is found within a round.
    set(50, 0);
    assert!(plan.picks(count as usize).split(' ').any(|pick| pick == "k50"));
}

#[test]
fn a_conversation_keeps_its_key_until_it_fails_and_then_keeps_the_other() {
    let plan = Plan::new("round_robin", FOUR);
    for conversation in 0..200_u64 {
        let id = hash::mix(conversation, 3);
        let first = plan.pick(Some(id));
        assert!((0..3).all(|_| plan.pick(Some(id)) == first));
        plan.set(&first, Use::Full);
        let other = plan.pick(Some(id));
        assert!(other != first && other != "-");
        plan.set(&first, Use::Free);
        assert_eq!(plan.pick(Some(id)), first, "a key that is full is not left");
        plan.set(&first, Use::Not);
        let moved = plan.pick(Some(id));
        assert_ne!(moved, first);
        plan.set(&first, Use::Free);
        assert_eq!(plan.pick(Some(id)), moved, "its prompt cache is there now");
    }
}

#[test]
fn cores_agree_without_talking_and_keys_get_their_share_of_conversations() {
    let weighted = r#"{"key": "1", "name": "a", "weight": 3}, {"key": "2", "name": "b", "weight": 1}"#;
    for (balance, keys, expected) in [("round_robin", FOUR, 1_000..1_250), ("weighted", weighted, 3_250..3_550)] {
        let (one, other) = (Plan::new(balance, keys), Plan::new(balance, keys));
        one.picks(3);
        let mut of_a = 0;
        for conversation in 0..4_500_u64 {
            let id = hash::mix(conversation, 11);
            let key = one.pick(Some(id));
            assert_eq!(other.pick(Some(id)), key);
            of_a += u32::from(key == "a");
        }
        assert!(expected.contains(&of_a), "{balance}: {of_a}");
    }
}

#[test]
fn a_binding_is_found_after_a_reload_and_a_lost_key_moves_only_its_own() {
    let plan = Plan::new("round_robin", FOUR);
    let ids: Vec<u64> = (0..500).map(|n| hash::mix(n, 5)).collect();
    let before: Vec<String> = ids.iter().map(|id| plan.pick(Some(*id))).collect();
    let reloaded = Plan::new(
        "round_robin",
        r#"{"key": "0", "name": "new", "priority": 200}, {"key": "4", "name": "d"}, {"key": "2", "name": "b"}, {"key": "1", "name": "a"}"#,
    );
    let other = Plan { bindings: Bindings::default(), ..reloaded };
    for (id, before) in ids.iter().zip(&before) {
        let key = other.pick(Some(*id));
        assert!(key == *before || before == "c", "{before} became {key}");
    }
    // The table goes on with the new snapshot: places have changed, fingerprints have not.
    for (id, before) in ids.iter().zip(&before).filter(|(_, before)| *before != "c") {
        let key = other.pool.pick(&other.now, Some(*id), &plan.bindings);
        assert_eq!(key.map(|key| &*other.s.keys[usize::from(key)].name), Some(&**before));
    }
}

#[test]
fn there_is_no_affinity_without_a_choice() {
    assert_eq!(Plan::new("round_robin", r#""one""#).pool.affinity(), Affinity::None);
    assert_eq!(Plan::new("round_robin", FOUR).pool.affinity(), Affinity::Ids);
    let two_tiers = r#""one", {"key": "x", "priority": 200}"#;
    assert_eq!(Plan::new("round_robin", two_tiers).pool.affinity(), Affinity::Ids);
}

proptest! {
    /// Whatever rests, a key that may be used is found, and none that may not.
    #[test]
    fn a_free_key_is_always_found(
        balance in prop::sample::select(vec!["round_robin", "weighted", "fill_first", "least_busy", "fastest"]),
        keys in prop::collection::vec((0_u32..5, 1_u32..4, 0_u8..3), 1..12),
        conversation: Option<u64>,
        picks in 1_usize..40,
    ) {
        let list: Vec<String> = keys.iter().enumerate()
            .map(|(n, (weight, priority, _))| format!(r#"{{"key": "k{n}", "weight": {weight}, "priority": {priority}}}"#)).collect();
        let plan = Plan::new(balance, &list.join(","));
        let states = [Use::Free, Use::Full, Use::Not];
        for (n, (_, _, state)) in keys.iter().enumerate() {
            plan.now.states.borrow_mut().insert(n as KeyIx, states[usize::from(*state)]);
        }
        let lives = keys.iter().any(|(_, _, state)| *state == 0);
        let best = keys.iter().filter(|(_, _, state)| *state == 0).map(|(weight, priority, _)| (*weight == 0, *priority)).min();
        for _ in 0..picks {
            let picked = plan.pool.pick(&plan.now, conversation, &plan.bindings);
            prop_assert_eq!(picked.is_some(), lives);
            if let Some(key) = picked {
                let (weight, priority, state) = keys[usize::from(key)];
                prop_assert_eq!(state, 0);
                prop_assert_eq!(Some((weight == 0, priority)), best);
            }
        }
    }
}
