//! The web UI: the files of `web/`, in the program.
//!
//! The build packs each once and names all of them by a hash of all (`build.rs`), so a file under that name never
//! changes and browsers keep it; only the page itself is asked for again. Nothing here is a secret, and nothing of
//! what is told to the page comes through here: that is the API's.

use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

include!(concat!(env!("OUT_DIR"), "/web.rs"));

/// What the page may load: its own files and answers, nothing from elsewhere, nothing inline.
pub(super) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const PAGE: &str = "index.html";

/// One file, as it is and as gzip.
pub(super) struct File {
    path: &'static str,
    plain: &'static [u8],
    gzip: &'static [u8],
}

impl File {
    fn find(path: &str) -> Option<&'static File> {
        FILES.iter().find(|file| file.path == path)
    }

    fn media(&self) -> &'static str {
        match self.path.rsplit_once('.') {
            Some((_, "html")) => "text/html; charset=utf-8",
            Some((_, "js")) => "text/javascript; charset=utf-8",
            Some((_, "css")) => "text/css; charset=utf-8",
            Some((_, "svg")) => "image/svg+xml",
            _ => "text/plain; charset=utf-8",
        }
    }
}

/// The page.
pub(super) async fn page(headers: HeaderMap) -> Response {
    match File::find(PAGE) {
        Some(file) => answer(file, &headers, "no-cache"),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// A file of the page. Those of another build are not there: a page that asks for them is to be loaded again.
pub(super) async fn asset(Path((build, path)): Path<(String, String)>, headers: HeaderMap) -> Response {
    match File::find(&path) {
        Some(file) if build == BUILD => answer(file, &headers, "public, max-age=31536000, immutable"),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

fn answer(file: &'static File, asked: &HeaderMap, keep: &'static str) -> Response {
    // Weak, because one tag stands for both codings.
    let tag = format!("W/\"{BUILD}\"");
    let fixed = |text: &'static str| HeaderValue::from_static(text);
    let mut headers: Vec<(HeaderName, HeaderValue)> =
        vec![(header::CACHE_CONTROL, fixed(keep)), (header::VARY, fixed("accept-encoding"))];
    headers.extend(HeaderValue::try_from(&tag).map(|tag| (header::ETAG, tag)));
    let same = asked.get_all(header::IF_NONE_MATCH).iter().any(|known| {
        let known = known.to_str().unwrap_or_default();
        known.split(',').any(|one| one.trim() == "*" || one.trim().trim_start_matches("W/") == &tag[2..])
    });
    let (status, body) = if same {
        (StatusCode::NOT_MODIFIED, Body::empty())
    } else {
        headers.push((header::CONTENT_TYPE, fixed(file.media())));
        if takes_gzip(asked) {
            headers.push((header::CONTENT_ENCODING, fixed("gzip")));
            (StatusCode::OK, Body::from(file.gzip))
        } else {
            (StatusCode::OK, Body::from(file.plain))
        }
    };
    let mut answer = (status, body).into_response();
    answer.headers_mut().extend(headers);
    answer
}

/// RFC 9110 §12.5.3: a coding with `q=0` is refused; `*` stands for those that are not named.
fn takes_gzip(asked: &HeaderMap) -> bool {
    let mut any = false;
    for coding in asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()) {
        for one in coding.split(',') {
            let mut parts = one.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let refused = parts.any(|part| {
                part.strip_prefix("q=").is_some_and(|weight| weight.parse::<f32>().is_ok_and(|weight| weight == 0.0))
            });
            match name {
                "gzip" | "x-gzip" => return !refused,
                "*" => any = !refused,
                _ => {}
            }
        }
    }
    any
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::io::Read as _;
    use std::path::Path;

    use serde_json::Value;

    use super::*;
    use crate::plan::explain;

    /// Bytes that a browser loads before the first page stands, as they travel.
    const FIRST_PAINT_BYTES_MAX: usize = 100_000;

    fn text(path: &str) -> &'static str {
        let file = File::find(path).unwrap_or_else(|| panic!("{path} is not there"));
        std::str::from_utf8(file.plain).expect("UTF-8")
    }

    /// Files that `path` names as things to load at once; `import()` loads later.
    fn loads(path: &str) -> BTreeSet<String> {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut found = BTreeSet::new();
        let marks = if path.ends_with(".html") { ["=\"/assets/", "="] } else { ["from '", "import '"] };
        for mark in marks {
            for (at, _) in text(path).match_indices(mark) {
                let rest = &text(path)[at + mark.len()..];
                let named = &rest[..rest.find(['\'', '"']).unwrap_or(0)];
                if path.ends_with(".html") {
                    found.extend(named.strip_prefix(BUILD).map(|rest| rest[1..].to_owned()));
                } else if named.starts_with('.') {
                    let up = named.matches("../").count();
                    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
                    parts.truncate(parts.len().saturating_sub(up));
                    parts.push(named.trim_start_matches("../").trim_start_matches("./"));
                    found.insert(parts.join("/"));
                }
            }
        }
        found
    }

    #[test]
    fn the_first_paint_is_small_and_whole() {
        let (mut seen, mut next) = (BTreeSet::new(), vec![PAGE.to_owned()]);
        while let Some(path) = next.pop() {
            if seen.insert(path.clone()) && (path.ends_with(".html") || path.ends_with(".js")) {
                next.extend(loads(&path));
            }
        }
        // The chart's library is asked for by a script as soon as the first page is drawn.
        seen.extend(["vendor/uplot.js", "vendor/uplot.css"].map(str::to_owned));
        assert!(seen.contains("app.js") && seen.contains("page/overview.js") && seen.contains("vendor/preact.js"));
        let bytes: usize = seen.iter().map(|path| File::find(path).expect("it is loaded").gzip.len()).sum();
        assert!(bytes <= FIRST_PAINT_BYTES_MAX, "{bytes} bytes: {seen:?}");
    }

    #[test]
    fn every_file_that_is_named_is_there_and_nothing_is_from_elsewhere() {
        for file in FILES.iter().filter(|file| file.path.ends_with(".js") && !file.path.starts_with("vendor/")) {
            for path in loads(file.path) {
                assert!(File::find(&path).is_some(), "{} imports {path}", file.path);
            }
            let text = text(file.path);
            for (at, _) in text.match_indices("import('") {
                let named = text[at + 8..].split('\'').next().expect("a name").trim_start_matches("./");
                assert!(File::find(named).is_some(), "{} imports {named}", file.path);
            }
            for word in ["dangerouslySetInnerHTML", "innerHTML", "eval(", "new Function", "document.write"] {
                assert!(!text.contains(word), "{} says {word}", file.path);
            }
        }
        let page = text(PAGE);
        assert!(!page.contains("{build}") && !page.contains("style=") && !page.contains("<style"));
        assert!(!page.contains("://"), "the page loads nothing from elsewhere");
        assert_eq!(page.matches("<script").count(), page.matches("<script src=").count() + 1, "one module");
    }

    /// Rows of a table in a module: `name: [texts]`, quoted by `'`.
    fn rows_of_words() -> BTreeMap<&'static str, Vec<String>> {
        let text = text("words.js").replace(",\n    '", ", '");
        let text: &'static str = text.leak();
        let row = |line: &'static str| {
            let (name, texts) = line.strip_prefix("  ")?.strip_suffix("],")?.split_once(": ['")?;
            Some((name, texts.strip_suffix('\'')?.split("', '").map(str::to_owned).collect()))
        };
        text.lines().filter_map(row).collect()
    }

    fn places(text: &str) -> BTreeSet<&str> {
        text.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0)).collect()
    }

    #[test]
    fn each_step_of_a_decision_has_words_in_both_languages() {
        let words = rows_of_words();
        let (mut codes, mut rules) = (BTreeSet::new(), BTreeSet::new());
        for says in explain::words::ALL {
            assert!(codes.insert(format!("step_{}", says.code)), "{} stands twice", says.code);
            rules.insert(format!("rule_{}", says.rule));
            let said = &words.get(&*format!("step_{}", says.code)).unwrap_or_else(|| panic!("no words for {says:?}"));
            assert_eq!(said.len(), 2, "{says:?}");
            for said in *said {
                assert_eq!(places(said), places(says.text), "{says:?}");
            }
        }
        for (prefix, known) in [("step_", codes), ("rule_", rules)] {
            let there = words.keys().filter(|key| key.starts_with(prefix)).map(|key| (*key).to_owned()).collect();
            assert_eq!(known, there);
        }
    }

    /// A table that stands in a module as JSON, but for its last comma and lines of comment.
    fn table(path: &str, name: &str) -> BTreeMap<String, String> {
        let (_, rest) = text(path).split_once(&format!("{name} = ")).expect("the table");
        let body = &rest[..rest.find("\n};").expect("its end")];
        let lines: Vec<_> = body.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let body = lines.join("\n");
        let table: BTreeMap<String, String> =
            serde_json::from_str(&format!("{}}}", body.trim_end_matches(','))).expect("JSON");
        assert_eq!(table.len(), body.matches("\n  \"").count(), "a text stands twice");
        table
    }

    fn is_chinese(text: &str) -> bool {
        text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c))
    }

    fn descriptions(schema: &'static Value, found: &mut BTreeSet<&'static str>) {
        match schema {
            Value::Object(members) => {
                found.extend(members.get("description").and_then(Value::as_str));
                members.values().for_each(|inner| descriptions(inner, found));
            }
            Value::Array(items) => items.iter().for_each(|inner| descriptions(inner, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// What stands between backquotes: names and values, which stay as they are.
    fn quoted(text: &str) -> Vec<&str> {
        let mut found: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn the_help_of_the_configuration_is_chinese_too() {
        let help = table("config_help.js", "HELP");
        let mut described = BTreeSet::new();
        descriptions(crate::config::schema::value(), &mut described);
        let lacking: Vec<_> = described.iter().filter(|text| !help.contains_key(**text)).collect();
        assert!(lacking.is_empty(), "new or changed, and not in config_help.js: {lacking:#?}");
        let idle: Vec<_> = help.keys().filter(|text| !described.contains(&***text)).collect();
        assert!(idle.is_empty(), "in config_help.js, and no longer in the schema: {idle:#?}");
        for (english, chinese) in &help {
            assert!(is_chinese(chinese), "{english:?}: {chinese:?}");
            assert_eq!(quoted(english), quoted(chinese), "{english:?}: {chinese:?}");
            let digits = |text: &str| -> Vec<String> {
                let mut found: Vec<String> = text.split(|c: char| !c.is_ascii_digit()).map(str::to_owned).collect();
                found.retain(|number| number.len() > 1);
                found.sort_unstable();
                found
            };
            assert_eq!(digits(english), digits(chinese), "{english:?}: {chinese:?}");
        }
    }

    /// The text of all sources, tests left out, with texts that go over several lines on one.
    fn sources(folder: &Path, found: &mut String) {
        for entry in std::fs::read_dir(folder).expect("the sources") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() {
                sources(&path, found);
            } else if name.ends_with(".rs") && !name.ends_with("_test.rs") && name != "tests.rs" {
                let text = std::fs::read_to_string(&path).expect("text");
                let mut pieces = text.split("\n#[cfg(test)]").next().unwrap_or_default().split("\\\n");
                found.extend(pieces.next());
                pieces.for_each(|piece| found.push_str(piece.trim_start()));
            }
        }
    }

    #[test]
    fn what_weir_says_is_chinese_too_as_long_as_it_is_said() {
        let mut all = String::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut all);
        let all = all.replace("\\\"", "\"");
        for (english, chinese) in table("said.js", "SAID") {
            assert!(all.contains(&format!("\"{english}\"")), "said nowhere: {english:?}");
            // The places of a text to be formatted, and `{1}` for the first of them in Chinese.
            let is_place = |place: &&str| place.chars().all(|c| c.is_alphanumeric() || ":?_".contains(c));
            let count = english.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0)).filter(is_place);
            let wanted: Vec<String> = (1..=count.count()).map(|place| place.to_string()).collect();
            assert!(is_chinese(&chinese), "{english:?}: {chinese:?}");
            assert_eq!(places(&chinese).into_iter().collect::<Vec<_>>(), wanted, "{english:?}: {chinese:?}");
        }
    }

    #[test]
    fn the_words_of_the_reader_of_json_are_those_it_has() {
        let deep = "[".repeat(200);
        let texts = [
            "[1",
            "{\"a\":1",
            "\"a",
            "",
            "{\"a\" 1}",
            "[1 2]",
            "{\"a\":1 \"b\":2}",
            "[x]",
            "[trux]",
            "{1:2}",
            "1 2",
            "-x",
            "\"\\x\"",
            "\"\n\"",
            "1e999",
            &deep,
        ];
        let said = texts.map(|text| {
            let error = serde_json::from_str::<Value>(text).expect_err(text).to_string();
            error.split(" at line ").next().unwrap_or_default().to_owned()
        });
        let known = table("said.js", "PARSER");
        assert_eq!(said.iter().collect::<BTreeSet<_>>(), known.keys().collect());
        assert!(known.values().all(|chinese| is_chinese(chinese)));
    }

    #[test]
    fn packed_files_are_the_files() {
        for file in FILES {
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(file.gzip).read_to_end(&mut plain).expect("gzip");
            assert!(plain == file.plain, "{}", file.path);
        }
    }

    #[test]
    fn gzip_goes_to_those_who_take_it() {
        for (said, takes) in [
            ("gzip, deflate, br, zstd", true),
            ("br;q=1.0, gzip;q=0.8", true),
            ("*", true),
            ("gzip;q=0", false),
            ("gzip; q=0.0, *", false),
            ("*;q=0", false),
            ("identity", false),
            ("", false),
        ] {
            let headers = [(header::ACCEPT_ENCODING, HeaderValue::from_static(said))].into_iter().collect();
            assert_eq!(takes_gzip(&headers), takes, "{said:?}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn a_known_file_is_not_sent_again() {
        let first = page(HeaderMap::new()).await;
        assert_eq!(first.status(), StatusCode::OK);
        assert_eq!(first.headers()[header::CACHE_CONTROL], "no-cache");
        let tag = first.headers()[header::ETAG].clone();
        for known in [tag.clone(), HeaderValue::from_static("*")] {
            let again = page([(header::IF_NONE_MATCH, known)].into_iter().collect()).await;
            assert_eq!((again.status(), &again.headers()[header::ETAG]), (StatusCode::NOT_MODIFIED, &tag));
            assert!(!again.headers().contains_key(header::CONTENT_TYPE));
        }
        let other = [(header::IF_NONE_MATCH, HeaderValue::from_static("\"other\""))].into_iter().collect();
        assert_eq!(page(other).await.status(), StatusCode::OK);
        let asset = |build: &str, path: &str| asset(Path((build.to_owned(), path.to_owned())), HeaderMap::new());
        let kept = asset(BUILD, "vendor/preact.js").await;
        assert_eq!(kept.status(), StatusCode::OK);
        assert!(kept.headers()[header::CACHE_CONTROL].to_str().expect("text").contains("immutable"));
        assert_eq!(asset(BUILD, "../web.rs").await.status(), StatusCode::NOT_FOUND);
        assert_eq!(asset("0000000000000000", "app.js").await.status(), StatusCode::NOT_FOUND);
    }
}
