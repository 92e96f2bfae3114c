//! Between data URLs and bytes in base64, and between media types and the names of formats.
//!
//! OpenAI's protocols say an image as `data:image/png;base64,…`, the others as a media type and its bytes. The bytes
//! stay where they are: a URL is parted, not copied, unless its author escaped it or did not use base64.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::BadRequest;
use super::request::{Media, MediaKind, Part, Request, Source};
use super::text::Text;
use crate::base::ascii;
use crate::protocol::Dialect;

/// Refuses a request that shows a file which none of `vendors` keeps: a model that does not see it would guess.
pub fn refuse_kept_elsewhere(request: &Request<'_>, vendors: &[Dialect]) -> Result<(), BadRequest> {
    let elsewhere = |part: &Part<'_>| match part {
        Part::Media(Media { source: Source::File { origin, .. }, .. }) => !vendors.contains(origin),
        _ => false,
    };
    let found = request.turns.iter().flat_map(|turn| &turn.parts).any(|part| match part {
        Part::ToolResult(result) => result.content.iter().any(elsewhere),
        part => elsewhere(part),
    });
    match found {
        false => Ok(()),
        true => Err(BadRequest {
            member: "content.file_id".into(),
            message: "the file is with another vendor than the one that is asked".into(),
        }),
    }
}

/// Where the bytes behind `url` are, and the media type where the URL tells one.
pub fn source(url: Text<'_>) -> (Source<'_>, Option<Text<'_>>) {
    if !url.bytes().get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"data:")) {
        return (Source::Url(url), None);
    }
    // Some writers escape every slash, the one of the media type included.
    let url = match memchr::memchr(b'\\', url.bytes()) {
        Some(_) => Text::plain(&url.decode()),
        None => url,
    };
    let Some(comma) = memchr::memchr(b',', url.bytes()) else {
        return (Source::Url(url), None);
    };
    let (head, data) = url.parted(comma);
    let head = head.behind(5);
    let data = data.behind(1);
    let is_base64 = head
        .bytes()
        .rsplit(|byte| *byte == b';')
        .next()
        .is_some_and(|last| last.eq_ignore_ascii_case(b"base64") && last.len() < head.bytes().len());
    let type_len = memchr::memchr(b';', head.bytes()).unwrap_or(head.bytes().len());
    let (media_type, _) = head.parted(type_len);
    let media_type = if media_type.is_empty() { Text::constant("text/plain") } else { media_type };
    let data = match is_base64 {
        true => data,
        false => Text::plain(&STANDARD.encode(unpercent(data.decode().as_bytes()))),
    };
    (Source::Base64(data), Some(media_type))
}

/// Appends the inside of a JSON string that is the URL of `media`; false if it has none: a vendor keeps it.
pub fn write_url(media: &Media<'_>, out: &mut Vec<u8>) -> bool {
    match &media.source {
        Source::Url(url) => out.extend_from_slice(url.bytes()),
        Source::Base64(data) => {
            write_head(media, out);
            out.extend_from_slice(data.bytes());
        }
        Source::Text(text) => {
            write_head(media, out);
            out.extend_from_slice(STANDARD.encode(text.decode().as_bytes()).as_bytes());
        }
        Source::File { .. } => return false,
    }
    true
}

fn write_head(media: &Media<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"data:");
    out.extend_from_slice(media_type(media).bytes());
    out.extend_from_slice(b";base64,");
}

/// The media type of `media`: its own, else the one that its kind mostly has.
pub fn media_type<'m>(media: &'m Media<'_>) -> Text<'m> {
    if let Some(said) = &media.media_type {
        return said.as_ref();
    }
    Text::constant(match (media.kind, &media.source) {
        (_, Source::Text(_)) => "text/plain",
        (MediaKind::Image, _) => "image/png",
        (MediaKind::Document, _) => "application/pdf",
        (MediaKind::Audio, _) => "audio/wav",
        (MediaKind::Video, _) => "video/mp4",
    })
}

/// What a medium of this type is; what nobody shows or plays is a document.
pub fn kind(media_type: &str) -> MediaKind {
    let starts = |with: &str| media_type.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
    match () {
        () if starts("image/") => MediaKind::Image,
        () if starts("audio/") => MediaKind::Audio,
        () if starts("video/") => MediaKind::Video,
        () => MediaKind::Document,
    }
}

/// OpenAI's name for the format of a sound: `audio/mpeg` is `mp3`.
pub fn audio_format(media_type: &str) -> Cow<'_, str> {
    let subtype = media_type.split_once('/').map_or(media_type, |(_, subtype)| subtype);
    let subtype = subtype.split(';').next().unwrap_or_default().trim();
    match subtype {
        "mpeg" | "mpeg3" | "x-mp3" => "mp3".into(),
        "x-wav" | "wave" | "vnd.wave" => "wav".into(),
        "x-flac" => "flac".into(),
        "mp4" | "x-m4a" => "m4a".into(),
        other => other.into(),
    }
}

/// The media type of a sound whose format OpenAI names so.
pub fn audio_type(format: &Text<'_>) -> Text<'static> {
    match &*format.decode() {
        "mp3" => Text::constant("audio/mpeg"),
        "pcm16" => Text::constant("audio/pcm"),
        other => Text::plain(&format!("audio/{other}")),
    }
}

/// `text` with its percent escapes read (RFC 3986 §2.1); what is no escape stays.
fn unpercent(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        rest = after;
        match (*byte, after) {
            (b'%', [high, low, behind @ ..])
                if ascii::hex_digit(*high).is_some() && ascii::hex_digit(*low).is_some() =>
            {
                let digit = |byte| ascii::hex_digit(byte).unwrap_or_default();
                out.push(digit(*high) << 4 | digit(*low));
                rest = behind;
            }
            (byte, _) => out.push(byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(source: Source<'_>, media_type: Option<Text<'static>>) -> String {
        let media = Media {
            kind: MediaKind::Image,
            source: owned(source),
            media_type,
            name: None,
            detail: None,
            cache: None,
            carry: Vec::new(),
        };
        let mut out = Vec::new();
        assert!(write_url(&media, &mut out));
        String::from_utf8(out).unwrap()
    }

    fn owned(source: Source<'_>) -> Source<'static> {
        match source {
            Source::Url(text) => Source::Url(text.into_owned()),
            Source::Base64(text) => Source::Base64(text.into_owned()),
            Source::Text(text) => Source::Text(text.into_owned()),
            Source::File { origin, id } => Source::File { origin, id: id.into_owned() },
        }
    }

    #[test]
    fn a_data_url_is_a_type_and_bytes_and_comes_back() {
        for (url, media_type, data) in [
            ("data:image/png;base64,iVBORw==", "image/png", "iVBORw=="),
            ("DATA:image/png;charset=x;BASE64,iVBO", "image/png", "iVBO"),
            ("data:;base64,QQ==", "text/plain", "QQ=="),
            ("data:text/plain,a%20b%", "text/plain", "YSBiJQ=="),
            ("data:,", "text/plain", ""),
        ] {
            let (source, said) = source(Text::constant(url));
            assert_eq!(source, Source::Base64(Text::plain(data)), "{url}");
            assert_eq!(said, Some(Text::plain(media_type)), "{url}");
            let again = image(source, said.map(Text::into_owned));
            assert_eq!(again, format!("data:{media_type};base64,{data}"));
        }
    }

    #[test]
    fn an_escaped_data_url_is_read_and_other_urls_stay() {
        let (read, said) = source(Text::joined(br"data:image\/jpeg;base64,\/9j\/".to_vec()));
        assert_eq!((read, said), (Source::Base64(Text::plain("/9j/")), Some(Text::plain("image/jpeg"))));
        for url in ["https://example.com/a,b.png", "data:image/png", "dat", ""] {
            assert_eq!(source(Text::constant(url)), (Source::Url(Text::constant(url)), None));
        }
    }

    #[test]
    fn types_have_formats_and_kinds() {
        for format in ["wav", "mp3", "flac", "opus"] {
            assert_eq!(audio_format(&audio_type(&Text::plain(format)).decode()), format);
        }
        assert_eq!(kind("IMAGE/webp"), MediaKind::Image);
        assert_eq!((kind("application/pdf"), kind("é")), (MediaKind::Document, MediaKind::Document));
    }
}
