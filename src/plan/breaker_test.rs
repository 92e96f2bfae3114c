//! Laws of the breaker (any word, any outcome), its table, and the interleavings of its word.

use super::*;

const POLICY: Cooldown = Cooldown {
    rate_limited_ms: 30_000,
    server_error_ms: 10_000,
    rejected_key_ms: 1_800_000,
    max_ms: 1_800_000,
    failures: 3,
};
const NOW: u64 = 1_795_000_000_000;

mod pure {
    use proptest::prelude::*;

    use super::*;

    fn after(outcomes: &[Outcome]) -> Health {
        Health::of(outcomes.iter().fold(0, |word, outcome| step(word, NOW, *outcome, &POLICY, 0)))
    }

    fn failed(cause: Cause) -> Outcome {
        Outcome::Failed(cause, None)
    }

    #[test]
    fn failures_in_a_row_rest_it_and_a_success_clears_them() {
        let fail = failed(Cause::Failing);
        assert_eq!(after(&[fail, fail]).state, State::Closed);
        let resting = after(&[fail, fail, fail]);
        assert_eq!((resting.state, resting.until_ms), (State::Cooling, NOW + 10_000));
        assert_eq!(after(&[fail, fail, Outcome::Served, fail, fail]).state, State::Closed);
        assert_eq!(after(&[fail, Outcome::Served]), Health::GOOD);
        let unreachable = after(&[fail, failed(Cause::Unreachable), failed(Cause::Unreachable)]);
        assert_eq!(
            (unreachable.cause, unreachable.until_ms),
            (Cause::Unreachable, NOW + u64::from(limits::UNREACHABLE_REST_MS))
        );
        // As long as another failure's where that is shorter, and no longer however often it comes.
        for rest_ms in [limits::UNREACHABLE_REST_MS - 1, limits::UNREACHABLE_REST_MS, limits::UNREACHABLE_REST_MS + 1] {
            let policy = Cooldown { server_error_ms: rest_ms, failures: 1, ..POLICY };
            let expected = NOW + u64::from(rest_ms.min(limits::UNREACHABLE_REST_MS));
            let word = step(0, NOW, failed(Cause::Unreachable), &policy, 0);
            assert_eq!(Health::of(word).until_ms, expected);
            let again = step(probing(word, NOW), NOW, failed(Cause::Unreachable), &policy, 0);
            assert_eq!(Health::of(again).until_ms, expected);
        }
    }

    #[test]
    fn rate_limits_and_rejections_rest_it_at_once() {
        for (cause, ms) in [(Cause::RateLimited, 30_000), (Cause::Rejected, 1_800_000), (Cause::NoModel, 10_000)] {
            let health = after(&[failed(cause)]);
            assert_eq!((health.state, health.cause, health.until_ms), (State::Cooling, cause, NOW + ms));
        }
        let hinted = after(&[Outcome::Failed(Cause::Failing, Some(5_000))]);
        assert_eq!((hinted.state, hinted.until_ms), (State::Cooling, NOW + 5_000), "503 with a wait");
    }

    #[test]
    fn rests_double_up_to_the_longest() {
        let (mut word, mut now) = (0, NOW);
        for seconds in [30, 60, 120, 240, 480, 960, 1_800, 1_800] {
            word = step(word, now, failed(Cause::RateLimited), &POLICY, 0);
            let health = Health::of(word);
            assert_eq!(health.until_ms - now, seconds * 1_000);
            now = health.until_ms;
            assert_eq!(admit(word, now, &POLICY), Admission::Probe);
            word = probing(word, now);
        }
        assert_eq!(step(word, now, Outcome::Served, &POLICY, 0), 0);
    }

    #[test]
    fn hints_are_kept_and_cut() {
        let until = |hint| after(&[Outcome::Failed(Cause::RateLimited, Some(hint))]).until_ms - NOW;
        assert_eq!(until(7_000), 7_000);
        assert_eq!(until(u64::MAX), 1_800_000);
        let longer = after(&[failed(Cause::RateLimited), Outcome::Failed(Cause::RateLimited, Some(90_000))]);
        assert_eq!((longer.until_ms - NOW, longer.rests), (90_000, 1), "a later hint prolongs, and is no repetition");
    }

    #[test]
    fn after_the_rest_one_request_probes() {
        let word: Word = Word::new(step(0, NOW, failed(Cause::RateLimited), &POLICY, 0));
        assert!(matches!(word.enter(NOW + 29_999, &POLICY), Admission::Resting { .. }));
        assert_eq!(word.enter(NOW + 30_000, &POLICY), Admission::Probe);
        let waits = Admission::Resting { cause: Cause::RateLimited, until_ms: NOW + 30_000 + limits::PROBE_LOOK_MS };
        assert_eq!(word.enter(NOW + 30_000, &POLICY), waits);
        word.tell(NOW + 30_001, Outcome::Open, &POLICY, 0);
        assert_eq!(word.enter(NOW + 30_001, &POLICY), Admission::Probe, "a probe that nobody ended is free again");
        assert_eq!(word.enter(NOW + 30_001 + limits::PROBE_MS_MAX, &POLICY), Admission::Probe, "and one that is lost");
        word.tell(NOW + 30_002, Outcome::Served, &POLICY, 0);
        assert_eq!(word.get(), 0);
    }

    fn cause() -> impl Strategy<Value = Cause> {
        prop::sample::select(Cause::ALL.to_vec())
    }

    fn outcome() -> impl Strategy<Value = Outcome> {
        prop_oneof![
            Just(Outcome::Served),
            Just(Outcome::Open),
            (cause(), prop::option::of(any::<u64>().prop_map(|ms| ms >> 20)))
                .prop_map(|(cause, hint)| Outcome::Failed(cause, hint)),
        ]
    }

    proptest! {
        #[test]
        fn a_word_says_what_it_was_made_of(state in 0..3_u8, cause in cause(), rests in 0..=RESTS_MAX,
            failures in 0..=FAILURES_MAX, until_ms in 0..=UNTIL_MAX) {
            let state = [State::Closed, State::Cooling, State::Probing][usize::from(state)];
            let health = Health { state, cause, rests, failures, until_ms };
            let read = Health::of(health.word());
            if health.word() == 0 { prop_assert_eq!(read, Health::GOOD) } else { prop_assert_eq!(read, health) }
        }

        /// From any word: no rest is longer than the longest, and time moves only forward.
        #[test]
        fn no_rest_is_too_long(word: u64, outcome in outcome(), jitter: u8, max_ms in 1..86_400_000_u32) {
            let policy = Cooldown { max_ms, ..POLICY };
            let (before, after) = (Health::of(word), Health::of(step(word, NOW, outcome, &policy, jitter)));
            if after.is_resting(NOW, &policy) && before.is_resting(NOW, &policy) {
                prop_assert!(after.until_ms >= before.until_ms);
            }
            if let Outcome::Failed(..) = outcome && after.state == State::Cooling {
                prop_assert!(after.until_ms >= NOW);
                prop_assert!(after.until_ms - NOW <= u64::from(max_ms));
            }
        }

        /// Success leads to health, unless the rest began meanwhile.
        #[test]
        fn success_heals(word: u64) {
            let after = step(word, NOW, Outcome::Served, &POLICY, 0);
            prop_assert!(after == 0 || (after == word && Health::of(word).is_resting(NOW, &POLICY)));
        }

        /// Whatever happens, in the end a request may try again.
        #[test]
        fn nothing_rests_for_ever(word: u64, outcomes in prop::collection::vec(outcome(), 0..20)) {
            let word = outcomes.into_iter().fold(word, |word, outcome| step(word, NOW, outcome, &POLICY, 255));
            let later = NOW + u64::from(POLICY.max_ms).max(limits::PROBE_MS_MAX);
            let rests = matches!(admit(word, later, &POLICY), Admission::Resting { .. });
            prop_assert!(!rests);
        }

        #[test]
        fn jitter_is_at_most_a_tenth(jitter: u8, rests in 0..8_u8) {
            let plain = rest_ms(Cause::RateLimited, None, rests, &POLICY, 0);
            let rest = rest_ms(Cause::RateLimited, None, rests, &POLICY, jitter);
            prop_assert!(rest >= plain && rest <= plain + plain / 10);
        }
    }
}

/// Every interleaving of two cores on one word.
mod interleavings {
    use loom::sync::Arc;
    use loom::sync::atomic::AtomicU64 as Traced;
    use loom::thread;

    use super::*;

    impl Number for Traced {
        fn new(value: u64) -> Traced {
            Traced::new(value)
        }

        fn get(&self) -> u64 {
            self.load(Ordering::Acquire)
        }

        fn set(&self, value: u64) {
            self.store(value, Ordering::Release);
        }

        fn replace(&self, known: u64, next: u64) -> Result<u64, u64> {
            self.compare_exchange(known, next, Ordering::AcqRel, Ordering::Acquire)
        }
    }

    fn word(value: u64) -> Arc<Word<Traced>> {
        Arc::new(Word::new(value))
    }

    #[test]
    fn one_of_two_probes() {
        loom::model(|| {
            let resting = step(0, NOW, Outcome::Failed(Cause::RateLimited, None), &POLICY, 0);
            let word = word(resting);
            let other = Arc::clone(&word);
            let later = NOW + 40_000;
            let thread = thread::spawn(move || other.enter(later, &POLICY) == Admission::Probe);
            let here = word.enter(later, &POLICY) == Admission::Probe;
            assert_eq!(u8::from(here) + u8::from(thread.join().unwrap()), 1);
        });
    }

    #[test]
    fn no_rest_is_lost() {
        loom::model(|| {
            let word = word(0);
            let other = Arc::clone(&word);
            let thread = thread::spawn(move || {
                other.tell(NOW, Outcome::Failed(Cause::RateLimited, Some(60_000)), &POLICY, 0);
            });
            word.tell(NOW, Outcome::Served, &POLICY, 0);
            word.tell(NOW, Outcome::Failed(Cause::RateLimited, Some(9_000)), &POLICY, 0);
            thread.join().unwrap();
            assert!(Health::of(word.get()).until_ms >= NOW + 60_000);
        });
    }

    #[test]
    fn failures_add_up() {
        loom::model(|| {
            let word = word(0);
            let other = Arc::clone(&word);
            let fail = Outcome::Failed(Cause::Failing, None);
            let thread = thread::spawn(move || other.tell(NOW, fail, &POLICY, 0));
            word.tell(NOW, fail, &POLICY, 0);
            thread.join().unwrap();
            assert_eq!(Health::of(word.get()).failures, 2);
        });
    }
}
