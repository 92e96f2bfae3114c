//! The laws: what must hold at the end of every history, whatever happened in it.

use std::sync::atomic::Ordering;

use super::client::{Asked, Got};
use super::upstream::{Attempt, Deed, answer_to};
use super::{ATTEMPTS_MAX, History, UPSTREAM_KEY};
use crate::relay::AtRest;

/// What is wrong with a history; nothing if it is lawful.
pub(super) fn judge(history: &History) -> Result<(), String> {
    for asked in &history.asked {
        let attempts = history.ledger.attempts.borrow();
        let attempts = attempts.get(&asked.token).map_or(&[][..], |attempts| attempts);
        answered(history, asked, attempts).map_err(|why| format!("{why}\n{asked:?}\n{attempts:#?}"))?;
    }
    bounded(history)?;
    at_once(history)?;
    blamed(history)?;
    cooled(history)?;
    kept(history)?;
    returned(history)?;
    told(history)
}

/// Every client gets one well-formed answer, whole or marked as broken; and a good one while a target lives.
fn answered(history: &History, asked: &Asked, attempts: &[Attempt]) -> Result<(), String> {
    let broke_late = attempts.iter().any(|attempt| attempt.deed.breaks_late());
    let said = match &asked.got {
        Got::Left => return Ok(()),
        Got::Answer(text) | Got::Error(_, text) | Got::Broken(text) => text,
    };
    if said.contains(UPSTREAM_KEY) {
        return Err("a client was told an upstream's key".into());
    }
    match &asked.got {
        Got::Left => Ok(()),
        Got::Broken(_) => Err("an answer broke off in the middle of its framing".into()),
        Got::Error(status, text) => {
            let json: serde_json::Value = serde_json::from_str(text).map_err(|_| "an error is no JSON")?;
            if !json["error"]["message"].is_string() {
                return Err("an error is not one of the dialect".into());
            }
            let deserved = !asked.valid || attempts.iter().any(|attempt| attempt.deed == Deed::Error(400, 0));
            match status {
                400 if deserved => Ok(()),
                400 => Err("400 for a request that was right".into()),
                _ if !asked.valid => Err("a request that is wrong is 400".into()),
                _ if history.plan.guarded => Err("an error while a target lives".into()),
                _ => Ok(()),
            }
        }
        Got::Answer(_) if !asked.valid => Err("an answer to what is no request".into()),
        Got::Answer(text) if asked.streamed => stream(history, asked, text, broke_late),
        Got::Answer(text) => {
            let json: serde_json::Value = serde_json::from_str(text).map_err(|_| "an answer is no JSON")?;
            let content = json["choices"][0]["message"]["content"].as_str().ok_or("an answer says nothing")?;
            if content == answer_to(&asked.token) { Ok(()) } else { Err("an answer is not the one to this".into()) }
        }
    }
}

fn stream(history: &History, asked: &Asked, text: &str, broke_late: bool) -> Result<(), String> {
    let mut heard = String::new();
    let (mut failed, mut done) = (false, false);
    for event in text.split("\n\n").filter(|event| !event.is_empty()) {
        let data = event.lines().find_map(|line| line.strip_prefix("data: ")).unwrap_or_default();
        if event.starts_with(':') {
            continue;
        }
        if done || failed {
            return Err("something follows the end".into());
        }
        if data == "[DONE]" {
            done = true;
            continue;
        }
        let json: serde_json::Value = serde_json::from_str(data).map_err(|_| format!("no event: {event}"))?;
        failed |= !json["error"].is_null();
        heard += json["choices"][0]["delta"]["content"].as_str().unwrap_or_default();
    }
    match (done, failed) {
        (true, false) if heard == answer_to(&asked.token) => Ok(()),
        (true, false) => Err("a stream lacks something and says that it is whole".into()),
        (false, true) if broke_late || !history.plan.guarded => Ok(()),
        (false, true) => Err("a stream failed that nobody broke".into()),
        _ => Err("a stream has no end".into()),
    }
}

/// No request takes more attempts than it may.
fn bounded(history: &History) -> Result<(), String> {
    let ledger = history.ledger.attempts.borrow();
    match ledger.iter().find(|(_, attempts)| attempts.len() > ATTEMPTS_MAX) {
        Some((token, attempts)) => Err(format!("{token} took {} attempts", attempts.len())),
        None => Ok(()),
    }
}

/// No more requests are under way with a key than may be.
fn at_once(history: &History) -> Result<(), String> {
    let (most, bound) = (history.ledger.most_at_once.get(), history.plan.most_at_once);
    match bound > 0 && most > bound {
        true => Err(format!("{most} requests were under way with a key at once, of {bound}")),
        false => Ok(()),
    }
}

/// Nobody rests where nobody did wrong: who is slow, and who loses to a second attempt, has not failed.
fn blamed(history: &History) -> Result<(), String> {
    match (history.plan.calm, history.tally.rests.get()) {
        (true, rests @ 1..) => Err(format!("{rests} keys came to rest, and nobody did wrong")),
        _ => Ok(()),
    }
}

/// A conversation keeps its key at a provider until that key fails.
fn kept(history: &History) -> Result<(), String> {
    // A key that is full is helped out by another for once, and so is one that is slow.
    if history.plan.most_at_once > 0 || history.plan.hedge_ms > 0 {
        return Ok(());
    }
    // After a rest one request probes the key, and until its outcome is known the others are served elsewhere.
    const REST_US: u64 = 60_000_000;
    let ledger = history.ledger.attempts.borrow();
    let mut all: Vec<&Attempt> = ledger.values().flatten().collect();
    all.sort_by_key(|attempt| attempt.began_us);
    let unreached = history.ledger.unreached.borrow();
    let failed = |before: &Attempt, until_us: u64| {
        let is_late = |at_us: u64| at_us + REST_US >= before.began_us;
        let key_failed = all.iter().any(|other| {
            let same = other.upstream == before.upstream && other.key == before.key;
            same && other.deed != Deed::Serve && other.began_us <= until_us && is_late(other.ended_us)
        });
        let is_cause =
            |&(upstream, at_us): &(usize, u64)| upstream == before.upstream && at_us <= until_us && is_late(at_us);
        key_failed || unreached.iter().any(is_cause)
    };
    for (nth, later) in all.iter().enumerate().filter(|(_, later)| later.conversation.is_some()) {
        let same = |other: &&&Attempt| other.upstream == later.upstream && other.conversation == later.conversation;
        let Some(before) = all[..nth].iter().rfind(same) else { continue };
        if before.key != later.key && !failed(before, later.began_us) {
            return Err(format!("a conversation changed its key, which had not failed: {before:?} {later:?}"));
        }
    }
    Ok(())
}

/// No key is asked again while it rests for a rate limit that its upstream has named.
fn cooled(history: &History) -> Result<(), String> {
    // Requests that were under way when it was told, and the time in which weir learns of it.
    const SLACK_US: u64 = 5_000_000;
    // An upstream that drips is done a moment after its last byte.
    const EARLY_US: u64 = 100_000;
    if history.clock_jumped {
        return Ok(());
    }
    let ledger = history.ledger.attempts.borrow();
    let all: Vec<&Attempt> = ledger.values().flatten().collect();
    let has_left = |token: &str| history.asked.iter().any(|asked| asked.token == token && asked.got == Got::Left);
    for (token, limited) in ledger.iter().flat_map(|(token, own)| own.iter().map(move |limited| (token, limited))) {
        let Deed::Error(429, seconds) = limited.deed else { continue };
        // Where another attempt was made beside it, or whom it was for has left, nobody may have listened any more.
        if !limited.was_heard && (history.plan.hedge_ms > 0 || has_left(token)) {
            continue;
        }
        // One that never could say it was left before.
        let (from, to) = (
            limited.ended_us.saturating_add(SLACK_US),
            limited.ended_us.saturating_add(seconds * 1_000_000) - EARLY_US,
        );
        let same = |other: &&&Attempt| other.key == limited.key && other.upstream == limited.upstream;
        if let Some(early) = all.iter().filter(same).find(|other| (from..to).contains(&other.began_us)) {
            return Err(format!("a key was used while it rests: {limited:?} {early:?}"));
        }
    }
    Ok(())
}

/// Everything that was lent has come back.
fn returned(history: &History) -> Result<(), String> {
    let at_rest = history.at_rest;
    if at_rest != AtRest::default() {
        return Err(format!("not everything came back: {at_rest:?}"));
    }
    match (history.connections.load(Ordering::Relaxed), history.tally.panics.get(), history.busy) {
        (0, 0, 0) => Ok(()),
        (connections, panics, busy) => Err(format!(
            "{connections} connections are still counted, {panics} panics, {busy} requests with a key or in its line"
        )),
    }
}

/// Each exchange is told once.
fn told(history: &History) -> Result<(), String> {
    let told = history.told;
    let answered = history.asked.iter().filter(|asked| asked.got != Got::Left).count();
    match (answered..=history.asked.len()).contains(&told) {
        true => Ok(()),
        false => Err(format!("{told} exchanges are told, {answered} were answered of {}", history.asked.len())),
    }
}
