//! Which key of a provider, and which after that.
//!
//! Lowest priority number first; inside one priority in turn, the turn advancing by one at each exchange.

use smallvec::SmallVec;

use crate::config::snapshot::{KeyIx, ProviderIx, Snapshot};

/// Keys in the order in which they are to be tried.
pub type Order = SmallVec<[KeyIx; 8]>;

/// Replaces `out` by the keys that may serve `model` (the provider's name of it), in the order in which they are to be
/// tried; empty if none may. `cursor` is the provider's turn.
pub fn order(s: &Snapshot, provider: ProviderIx, model: &str, cursor: &mut u32, out: &mut Order) {
    out.clear();
    out.extend(s.keys_of(provider).filter(|(_, key)| key.serves(model)).map(|(index, _)| index));
    let priority = |index: &KeyIx| s.keys[usize::from(*index)].priority;
    out.sort_by_key(priority);
    for tier in out.chunk_by_mut(|a, b| priority(a) == priority(b)) {
        tier.rotate_left(*cursor as usize % tier.len());
    }
    *cursor = cursor.wrapping_add(1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::snapshot;

    fn names(s: &Snapshot, model: &str, cursor: &mut u32) -> Vec<String> {
        let mut out = Order::new();
        order(s, 0, model, cursor, &mut out);
        out.iter().map(|key| s.keys[usize::from(*key)].name.to_string()).collect()
    }

    #[test]
    fn keys_take_turns_inside_their_priority() {
        let s = snapshot(
            r#"{"providers": {"p": {"protocol": "chat", "base_url": "http://127.0.0.1:1", "keys": [
                {"key": "c", "name": "late", "priority": 200},
                {"key": "a", "name": "a"}, {"key": "b", "name": "b"},
                {"key": "d", "name": "off", "disabled": true},
                {"key": "e", "name": "mini", "models": ["*-mini"], "priority": 1},
                {"key": "f", "name": "not-o1", "exclude_models": ["O1*"], "priority": 2}]}}}"#,
        );
        let mut cursor = u32::MAX;
        assert_eq!(names(&s, "o1-mini", &mut cursor), ["mini", "b", "a", "late"]);
        assert_eq!(cursor, 0, "the turn comes round");
        assert_eq!(names(&s, "gpt", &mut cursor), ["not-o1", "a", "b", "late"]);
        assert_eq!(names(&s, "gpt", &mut cursor), ["not-o1", "b", "a", "late"]);
        assert_eq!(names(&s, "gpt", &mut cursor), ["not-o1", "a", "b", "late"]);
    }

    #[test]
    fn a_provider_without_keys_has_an_empty_one() {
        let s = snapshot(r#"{"providers": {"d": {"protocol": "demo"}}}"#);
        assert_eq!(names(&s, "demo", &mut 7), ["1"]);
        assert!(s.keys[0].auth.expose().is_empty());
    }
}
