//! Whether a frame is like the one before makes no difference: a decoder that may go by `json::mould`, and one whose frames
//! have a blank behind every other of them, so that none is like the last.

use proptest::test_runner::{TestCaseError, TestCaseResult};

use super::BYTES_MAX;
use crate::protocol::ir::StreamDecoder;
use crate::sse::{Frame, Splitter};

/// Both tell the same of these frames.
pub(super) fn told_alike<S: StreamDecoder>(bytes: &[u8]) -> TestCaseResult {
    let (mut plain, mut padded) = (S::default(), S::default());
    let (mut told, mut nth, mut outcome) = ([Vec::new(), Vec::new()], 0, Ok(()));
    let mut splitter = Splitter::new(S::FRAMING, BYTES_MAX);
    let mut look = |frame: Frame<'_>| {
        nth += 1;
        let data = [frame.data, if nth % 2 == 0 { b" " } else { b"" }].concat();
        let other = Frame { data: &data, ..frame };
        let read = plain.frame(&frame, &mut |event| told[0].push(format!("{event:?}"))).is_ok();
        let same = padded.frame(&other, &mut |event| told[1].push(format!("{event:?}"))).is_ok();
        if outcome.is_ok() && (read != same || told[0] != told[1]) {
            outcome = Err(TestCaseError::fail(format!("frame {nth}: {:?}", String::from_utf8_lossy(frame.data))));
        }
        told.iter_mut().for_each(Vec::clear);
    };
    splitter.push(bytes, &mut look).expect("the test's frames are short");
    splitter.finish(&mut look);
    outcome
}
