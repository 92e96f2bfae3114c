//! What happens, told as it happens to whoever looks: finished exchanges, keys that fall ill and recover, reloads, and
//! totals each second.
//!
//! A reader has a queue of bounded length. One that is too slow misses events and is told how many; nobody waits for it
//! and nothing grows. Of a burst of exchanges so many a second are told one by one, the rest are counted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::store::Exchange;
use super::{Shared, VERSION, health, unix_ms};
use crate::limits;
use crate::record::Numbers;

/// Everybody who looks.
#[derive(Default)]
pub(crate) struct Events(Mutex<Vec<Reader>>);

struct Reader {
    queue: mpsc::Sender<Bytes>,
    missed: u64,
}

impl Events {
    /// A new reader's end, which begins with `first`; nothing where there are too many.
    pub(crate) fn open(&self, kind: &str, first: &Value) -> Option<mpsc::Receiver<Bytes>> {
        let mut readers = self.readers();
        readers.retain(|reader| !reader.queue.is_closed());
        if readers.len() >= limits::EVENT_READERS_MAX {
            return None;
        }
        let (queue, end) = mpsc::channel(limits::EVENTS_WAITING_MAX);
        // It is empty: there is room.
        let _ = queue.try_send(event(kind, first));
        readers.push(Reader { queue, missed: 0 });
        Some(end)
    }

    /// Whether nobody looks.
    pub(crate) fn is_idle(&self) -> bool {
        self.readers().is_empty()
    }

    /// Tells everybody.
    pub(crate) fn tell(&self, kind: &str, data: &Value) {
        let event = event(kind, data);
        self.readers().retain_mut(|reader| reader.tell(&event));
    }

    /// Everybody has missed so many.
    fn miss(&self, count: u64) {
        self.readers().iter_mut().for_each(|reader| reader.missed += count);
    }

    /// Nobody looks any longer.
    pub(crate) fn end(&self) {
        self.readers().clear();
    }

    fn readers(&self) -> MutexGuard<'_, Vec<Reader>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader {
    /// Hands an event over, after the number of those that were missed; false if nobody is there any more.
    fn tell(&mut self, told: &Bytes) -> bool {
        if self.missed > 0 && self.queue.try_send(event("missed", &json!({ "count": self.missed }))).is_ok() {
            self.missed = 0;
        }
        // In their order: after a gap that could not be told nothing else is.
        let told = if self.missed == 0 { self.queue.try_send(told.clone()) } else { Err(full(told)) };
        match told {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.missed += 1;
                !self.queue.is_closed()
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        }
    }
}

fn full(told: &Bytes) -> mpsc::error::TrySendError<Bytes> {
    mpsc::error::TrySendError::Full(told.clone())
}

/// An event as `text/event-stream` has it. JSON has no line ends of its own.
fn event(kind: &str, data: &Value) -> Bytes {
    Bytes::from(format!("event: {kind}\ndata: {data}\n\n"))
}

/// What a new reader hears first.
pub(crate) fn hello(shared: &Shared) -> Value {
    let generation = shared.snapshot.load().generation;
    json!({ "pid": std::process::id(), "version": VERSION, "generation": generation, "second": second(shared) })
}

/// What was told last, to tell what is new.
struct Last {
    taken: u64,
    generation: u64,
    keys: HashMap<(String, String), Value>,
}

/// Looks at what has happened for as long as the process serves.
pub(crate) async fn keep(shared: Arc<Shared>) {
    let mut last = Last { taken: 0, generation: 0, keys: HashMap::new() };
    let mut looks = 0_u64;
    let mut every = tokio::time::interval(Duration::from_millis(limits::EVENTS_EVERY_MS));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        looks += 1;
        let whole_second = looks.is_multiple_of(1_000 / limits::EVENTS_EVERY_MS);
        look(&shared, &mut last, whole_second);
    }
}

fn look(shared: &Shared, last: &mut Last, whole_second: bool) {
    let idle = shared.events.is_idle();
    let (rows, missed) = {
        let collector = shared.collector();
        let new = collector.taken - last.taken;
        last.taken = collector.taken;
        let few = if idle { 0 } else { new.min(limits::EVENTS_A_LOOK_MAX).min(collector.recent.len() as u64) };
        let latest = collector.recent.iter().skip(collector.recent.len() - few as usize);
        let rows: Vec<Value> = latest
            .map(|entry| Exchange::of(entry, collector.generations.of(u64::from(entry.generation))).told())
            .collect();
        (rows, new - few)
    };
    let generation = shared.snapshot.load().generation;
    let reloaded = std::mem::replace(&mut last.generation, generation) != generation;
    if idle {
        last.keys.clear();
        return;
    }
    shared.events.miss(missed);
    rows.iter().for_each(|row| shared.events.tell("exchange", row));
    if reloaded {
        shared.events.tell("config", &json!({ "generation": generation }));
    }
    if whole_second {
        tell_keys(shared, last);
        shared.events.tell("second", &second(shared));
    }
}

/// Tells of each key whose health is another than it was.
fn tell_keys(shared: &Shared, last: &mut Last) {
    let snapshot = shared.snapshot.load();
    let first = last.keys.is_empty();
    let mut keys = HashMap::new();
    for (health, key) in health::now(shared, &snapshot).iter().zip(&snapshot.keys) {
        let provider = &snapshot.providers[usize::from(key.provider)].name;
        let state = json!({ "health": health.told["health"], "cooling_until": health.told["cooling_until"] });
        let name = (provider.to_string(), key.name.to_string());
        if !first && last.keys.get(&name) != Some(&state) {
            let mut told = json!({ "provider": name.0, "key": name.1 });
            told["health"] = state["health"].clone();
            told["cooling_until"] = state["cooling_until"].clone();
            shared.events.tell("key", &told);
        }
        keys.insert(name, state);
    }
    last.keys = keys;
}

fn second(shared: &Shared) -> Value {
    let collector = shared.collector();
    let Numbers { requests, ok, tokens, cost_nanos, .. } = collector.totals;
    json!({
        "unix_ms": unix_ms(),
        "requests": requests,
        "ok": ok,
        "errors": requests - ok,
        "input_tokens": tokens.input,
        "output_tokens": tokens.output,
        "cost": cost_nanos as f64 / 1e9,
        "sessions": collector.sum(|tally| tally.sessions_open.get()),
        "streams": collector.sum(|tally| tally.streams_open.get()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::tests::{FILE, World};

    fn text(end: &mut mpsc::Receiver<Bytes>) -> String {
        let mut text = String::new();
        while let Ok(event) = end.try_recv() {
            text.push_str(&String::from_utf8_lossy(&event));
        }
        text
    }

    #[test]
    fn a_slow_reader_is_told_what_it_missed_and_holds_up_nobody() {
        let events = Events::default();
        let (mut slow, mut fast) =
            (events.open("hello", &json!({})).unwrap(), events.open("hello", &json!({})).unwrap());
        for number in 0..limits::EVENTS_WAITING_MAX + 9 {
            events.tell("n", &json!(number));
            assert!(!text(&mut fast).contains("missed"));
        }
        let heard = text(&mut slow);
        assert_eq!(heard.matches("event: ").count(), limits::EVENTS_WAITING_MAX);
        events.miss(5);
        events.tell("n", &json!("after"));
        // Ten that found the queue full, and five that were counted.
        assert_eq!(text(&mut slow), "event: missed\ndata: {\"count\":15}\n\nevent: n\ndata: \"after\"\n\n");
    }

    #[tokio::test]
    async fn of_a_burst_so_many_are_told_and_the_rest_counted() {
        for over in [0, 1] {
            let world = World::new(FILE);
            let mut last = Last { taken: 0, generation: 0, keys: HashMap::new() };
            let mut end = world.shared.events.open("hello", &json!({})).unwrap();
            look(&world.shared, &mut last, false);
            text(&mut end);
            (0..limits::EVENTS_A_LOOK_MAX + over).for_each(|_| _ = world.tell(|_| {}));
            world.shared.collector().drain();
            look(&world.shared, &mut last, false);
            let heard = text(&mut end);
            assert_eq!(heard.matches("event: exchange").count() as u64, limits::EVENTS_A_LOOK_MAX);
            assert_eq!(heard.contains("event: missed\ndata: {\"count\":1}"), over == 1, "{heard}");
        }
    }

    #[test]
    fn readers_are_bounded_and_those_that_left_make_room() {
        let events = Events::default();
        let mut ends: Vec<_> = (0..limits::EVENT_READERS_MAX).map(|_| events.open("hello", &json!({}))).collect();
        assert!(ends.iter().all(Option::is_some) && events.open("hello", &json!({})).is_none());
        ends.pop();
        assert!(events.open("hello", &json!({})).is_some());
        drop(ends);
        events.tell("n", &json!(1));
        assert!(events.is_idle());
        let mut end = events.open("hello", &json!({})).unwrap();
        events.end();
        assert!(text(&mut end).starts_with("event: hello") && end.is_closed());
    }
}
