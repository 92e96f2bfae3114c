//! Orders of lists, for each spread.

use super::super::route::{self, Question};
use super::*;
use crate::config::tests::snapshot;
use crate::protocol::Dialect;

fn file(spread: &str) -> String {
    format!(
        r#"{{"providers": {{
            "a": {{"protocol": "demo", "models": [{{"name": "m", "released": "2026-01-01"}}, {{"name": "p1", "alias": "pool"}},
                   {{"name": "p2", "alias": "pool"}}, {{"name": "p3", "alias": "pool"}}]}},
            "b": {{"protocol": "demo", "models": [{{"name": "m", "released": "2026-03-01"}}, "z"]}},
            "c": {{"protocol": "demo", "models": ["m"]}}}},
          "routes": {{"r": {{"spread": "{spread}", "to": ["a/m", "b/m", "c/m"], "models": {{"mix": ["a/pool", "b/z"]}}}}}}}}"#
    )
}

struct Plan {
    s: Snapshot,
    turns: Turns,
    paces: Paces,
}

impl Plan {
    fn new(spread: &str) -> Plan {
        let s = snapshot(&file(spread));
        Plan { turns: Turns::new(&s, 0), s, paces: Paces::default() }
    }

    fn ask(&self, model: &str) -> String {
        let question = Question { client: None, dialect: Dialect::Chat, forced: None, model, rule: None, scene: None };
        let mut chosen = route::targets(&self.s, &question).unwrap();
        arrange(&self.s, &mut chosen, Now { turns: &self.turns, paces: &self.paces, streamed: true });
        let name =
            |target: &Target<'_>| format!("{}/{}", self.s.providers[usize::from(target.provider)].name, target.model);
        chosen.targets.iter().map(name).collect::<Vec<_>>().join(" ")
    }

    fn tell(&self, provider: &str, model: &str, us: u64, now_s: u64) {
        self.paces.tell(Paces::key(provider, model, true), us, now_s);
    }
}

#[test]
fn ordered_is_as_written() {
    let plan = Plan::new("ordered");
    for _ in 0..3 {
        assert_eq!(plan.ask("auto"), "a/m b/m c/m");
    }
}

#[test]
fn in_turn_each_is_first_as_often() {
    let plan = Plan::new("round_robin");
    let asked: Vec<_> = (0..4).map(|_| plan.ask("auto")).collect();
    assert_eq!(asked, ["a/m b/m c/m", "b/m c/m a/m", "c/m a/m b/m", "a/m b/m c/m"]);
    // The list of those that publish a name has a turn of its own.
    assert_eq!([plan.ask("m"), plan.ask("m")], ["a/m b/m c/m", "b/m c/m a/m"]);
}

#[test]
fn a_pool_takes_turns_under_every_spread_and_counts_once() {
    for spread in ["ordered", "latest", "fastest"] {
        let plan = Plan::new(spread);
        let asked: Vec<_> = (0..4).map(|_| plan.ask("pool")).collect();
        assert_eq!(asked, ["a/p1 a/p2 a/p3", "a/p2 a/p3 a/p1", "a/p3 a/p1 a/p2", "a/p1 a/p2 a/p3"], "{spread}");
        assert_eq!(plan.ask("a/pool"), "a/p2 a/p3 a/p1", "{spread}, by the provider's name");
    }
    let plan = Plan::new("round_robin");
    assert_eq!(plan.ask("mix"), "a/p1 a/p2 a/p3 b/z");
    assert_eq!(plan.ask("mix"), "b/z a/p2 a/p3 a/p1");
    assert_eq!(plan.ask("mix"), "a/p3 a/p1 a/p2 b/z");
}

#[test]
fn the_latest_release_is_first_and_an_unknown_one_last() {
    let plan = Plan::new("latest");
    assert_eq!(plan.ask("auto"), "b/m a/m c/m");
    assert_eq!(plan.ask("m"), "b/m a/m c/m");
}

#[test]
fn the_fastest_is_first_and_what_is_not_measured_last() {
    let plan = Plan::new("fastest");
    assert_eq!(plan.ask("auto"), "a/m b/m c/m");
    plan.tell("c", "m", 30, 5);
    assert_eq!(plan.ask("auto"), "c/m a/m b/m");
    plan.tell("b", "m", 20, 6);
    assert_eq!(plan.ask("auto"), "b/m c/m a/m");
    for _ in 0..8 {
        plan.tell("b", "m", 200, 7);
    }
    assert_eq!(plan.ask("auto"), "c/m b/m a/m");
}

#[test]
fn one_request_in_twenty_goes_to_the_one_measured_longest_ago() {
    let plan = Plan::new("fastest");
    plan.tell("a", "m", 1, 1);
    plan.tell("b", "m", 2, 9);
    let firsts = |plan: &Plan| -> Vec<String> { (0..20).map(|_| plan.ask("auto")[..3].to_owned()).collect() };
    let asked = firsts(&plan);
    assert_eq!(asked.iter().filter(|first| *first == "a/m").count(), 19);
    assert_eq!(asked[19], "c/m", "never measured is longest ago");
    plan.tell("c", "m", 3, 10);
    let asked = firsts(&plan);
    assert_eq!(asked.iter().filter(|first| *first == "a/m").count(), 20, "a was measured at 1");
    plan.tell("a", "m", 1, 11);
    assert_eq!(firsts(&plan)[19], "b/m");
}

#[test]
fn cores_begin_at_different_places() {
    let plan = Plan::new("round_robin");
    let other = Plan { turns: Turns::new(&plan.s, 1), ..Plan::new("round_robin") };
    assert_eq!((plan.ask("auto"), other.ask("auto")), ("a/m b/m c/m".to_owned(), "b/m c/m a/m".to_owned()));
}
