//! Compaction for clients whose upstream has none: a summary in the place where OpenAI puts an encrypted one.
//!
//! The client gets it as an item of type `compaction` and sends it back with each request from then on, where it is read
//! as an instruction. Nothing is kept here. An `encrypted_content` without our mark is a vendor's own and stays as it is.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::json::{Escaped, Raw};
use crate::protocol::ir::Text;

/// What a kept summary begins with.
const MARK: &[u8] = b"weir.compaction.1.";
/// What a summary begins with where a model reads it.
const HEADING: &str = "[Conversation Summary]";

/// The summary in an `encrypted_content` of ours, as a model reads it; nothing if it is another's.
pub(super) fn summary(kept: Escaped<'_>) -> Option<Text<'static>> {
    let kept = kept.bytes().strip_prefix(MARK)?;
    let object = STANDARD.decode(kept).ok()?;
    let summary = Raw::parse(&object).ok()?.find("summary")?.as_str()?;
    let mut text = Vec::with_capacity(summary.bytes().len() + HEADING.len() + 2);
    text.extend_from_slice(HEADING.as_bytes());
    text.extend_from_slice(b"\\n");
    text.extend_from_slice(summary.bytes());
    Some(Text::joined(text))
}
