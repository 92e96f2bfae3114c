//! Images and sound in an answer, for which Messages has no block: a text that shows them.
//!
//! `![image](data:image/png;base64,…)` is what chat clients draw. When the conversation comes back the text is known
//! again and stands for the medium, so that no model reads base64.

use crate::json::Escaped;
use crate::protocol::ir::{Media, MediaKind, Part, Text, media};

const IMAGE: &[u8] = b"![image](";
const SOUND: &[u8] = b"[sound](";

/// Appends the inside of a JSON string that shows the medium.
pub(super) fn show(media_type: Escaped<'_>, base64: Escaped<'_>, out: &mut Vec<u8>) {
    let image = media::kind(&media_type.decode()) == MediaKind::Image;
    out.extend_from_slice(if image { IMAGE } else { SOUND });
    out.extend_from_slice(b"data:");
    out.extend_from_slice(media_type.bytes());
    out.extend_from_slice(b";base64,");
    out.extend_from_slice(base64.bytes());
    out.push(b')');
}

/// The medium that a text of the assistant shows, if it is nothing else.
pub(super) fn shown<'a>(text: &Text<'a>) -> Option<Part<'a>> {
    let said = text.bytes();
    let start = if said.starts_with(IMAGE) { IMAGE.len() } else { SOUND.len() };
    if !(said.starts_with(IMAGE) || said.starts_with(SOUND))
        || !said[start..].starts_with(b"data:")
        || memchr::memchr(b')', said) != Some(said.len() - 1)
    {
        return None;
    }
    let (source, media_type) = media::source(text.clone().parted(said.len() - 1).0.behind(start));
    let media_type = media_type?;
    let kind = media::kind(&media_type.decode());
    let (name, detail, cache) = (None, None, None);
    Some(Part::Media(Media { kind, source, media_type: Some(media_type), name, detail, cache, carry: Vec::new() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ir::Source;

    #[test]
    fn a_medium_is_shown_and_known_again() {
        let mut out = Vec::new();
        show(Text::plain("image/png").escaped(), Text::plain("iVBO+/==").escaped(), &mut out);
        assert_eq!(out, b"![image](data:image/png;base64,iVBO+/==)");
        let Some(Part::Media(media)) = shown(&Text::joined(out)) else { panic!("it is a medium") };
        assert_eq!((media.kind, media.source), (MediaKind::Image, Source::Base64(Text::plain("iVBO+/=="))));
        for other in
            ["![image](data:image/png;base64,x) and more", "![image](https://x)", "[sound](", "", "![image](data:,)x"]
        {
            assert_eq!(shown(&Text::plain(other)), None, "{other}");
        }
    }
}
