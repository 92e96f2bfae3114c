//! Reads the source tree and fails where it breaks the rules of the house: floors, names, sizes, unsafe, comments.
//!
//! A rule is a function from one file to what is wrong in it, so each is tested on a few lines that break it; one test
//! at the end asks all of them about every file. The table of floors is the one in the head of `lib.rs`. Text is looked
//! at through three masks of equal length (code, comments, all), which keeps offsets and line numbers valid without a
//! parser.

use std::collections::{HashMap, HashSet};
use std::path::Path;

/// Files that may say `unsafe`; the argument of each block stands above it.
const UNSAFE_LEAVES: [&str; 5] = [
    "src/json/block.rs",
    "src/json/block/avx2.rs",
    "src/json/block/avx512.rs",
    "src/json/block/ends.rs",
    "src/rt/sys.rs",
];
/// Files of this part of the tree are tests as a whole: sizes and floors are not asked of them.
const TEST_FOLDERS: [&str; 3] = ["tests/", "benches/", "fuzz/"];
const BANNED_WORDS: [&str; 10] =
    ["manager", "handler", "helper", "util", "utils", "common", "service", "context", "middleware", "misc"];
/// Here the word means what a model reads, not a bag of things that are passed along.
const NAMES_ALLOWED: [&str; 1] = ["OLLAMA_CONTEXT_TOKENS"];
const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

type Floors = HashMap<String, u8>;

/// One file, its path from the root of the package, and its masks.
struct Source {
    path: String,
    text: String,
    /// Comments and the insides of literals are blanks.
    code: String,
    /// Everything but comments is blank.
    comments: String,
}

/// Where the reader of `masks` is.
#[derive(Clone, Copy)]
enum Inside {
    Code,
    LineComment,
    BlockComment { depth: usize },
    Text { hashes: Option<usize> },
}

impl Source {
    fn new(path: &str, text: &str) -> Source {
        let (code, comments) = masks(text);
        Source { path: path.to_owned(), text: text.to_owned(), code, comments }
    }

    fn line(&self, at: usize) -> usize {
        self.text[..at].matches('\n').count() + 1
    }

    fn problem(&self, at: usize, what: impl std::fmt::Display) -> String {
        format!("{}:{}: {what}", self.path, self.line(at))
    }

    fn is_test(&self) -> bool {
        TEST_FOLDERS.iter().any(|folder| self.path.starts_with(folder))
            || self.path.ends_with("_test.rs")
            || self.path.ends_with("/tests.rs")
    }

    /// The module below the crate that the file belongs to: `json` for `src/json/scan.rs`.
    fn room(&self) -> &str {
        let path = self.path.strip_prefix("src/").unwrap_or(&self.path);
        path.split_once('/').map_or_else(|| path.strip_suffix(".rs").unwrap_or(path), |(folder, _)| folder)
    }

    /// Offsets where `word` stands as a whole word of code.
    fn words<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        self.code.match_indices(word).map(|(at, _)| at).filter(move |at| {
            let is_name = |c: char| c.is_alphanumeric() || c == '_';
            !self.code[..*at].ends_with(is_name) && !self.code[at + word.len()..].starts_with(is_name)
        })
    }
}

/// The code mask and the comment mask of `text`. A lifetime is code; a character is a literal.
fn masks(text: &str) -> (String, String) {
    let (mut code, mut comments) = (String::with_capacity(text.len()), String::with_capacity(text.len()));
    let mut inside = Inside::Code;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (taken, next, to_code) = step(inside, rest, first, &code);
        for c in rest[..taken].chars() {
            // One byte of mask for one byte of text, so that an offset means the same in all of them.
            let blank = if c == '\n' { "\n" } else { &"    "[..c.len_utf8()] };
            let was_comment = matches!(inside, Inside::LineComment | Inside::BlockComment { .. });
            let is_comment = was_comment || matches!(next, Inside::LineComment | Inside::BlockComment { .. });
            if to_code {
                code.push(c)
            } else {
                code.push_str(blank)
            }
            if is_comment && c != '\n' { comments.push(c) } else { comments.push_str(blank) }
        }
        inside = next;
        rest = &rest[taken..];
    }
    (code, comments)
}

/// One step of the mask: how many bytes, what follows, and whether they are code.
fn step(inside: Inside, rest: &str, first: char, before: &str) -> (usize, Inside, bool) {
    let one = first.len_utf8();
    match inside {
        Inside::Code if rest.starts_with("//") => (2, Inside::LineComment, false),
        Inside::Code if rest.starts_with("/*") => (2, Inside::BlockComment { depth: 1 }, false),
        Inside::Code if first == '"' => {
            let hashes = before.bytes().rev().take_while(|b| *b == b'#').count();
            let raw = before[..before.len() - hashes].ends_with('r');
            (1, Inside::Text { hashes: raw.then_some(hashes) }, true)
        }
        Inside::Code if first == '\'' => (character(rest).unwrap_or(1), Inside::Code, character(rest).is_none()),
        Inside::Code => (one, Inside::Code, true),
        Inside::LineComment if first == '\n' => (1, Inside::Code, true),
        Inside::LineComment => (one, Inside::LineComment, false),
        Inside::BlockComment { depth } if rest.starts_with("/*") => {
            (2, Inside::BlockComment { depth: depth + 1 }, false)
        }
        Inside::BlockComment { depth: 1 } if rest.starts_with("*/") => (2, Inside::Code, false),
        Inside::BlockComment { depth } if rest.starts_with("*/") => {
            (2, Inside::BlockComment { depth: depth - 1 }, false)
        }
        Inside::BlockComment { .. } => (one, inside, false),
        Inside::Text { hashes: None } if first == '\\' => {
            (1 + rest[1..].chars().next().map_or(0, char::len_utf8), inside, false)
        }
        Inside::Text { hashes: None } if first == '"' => (1, Inside::Code, true),
        Inside::Text { hashes: Some(n) }
            if first == '"' && rest[1..].bytes().take_while(|b| *b == b'#').count() >= n =>
        {
            (1 + n, Inside::Code, true)
        }
        Inside::Text { .. } => (one, inside, false),
    }
}

/// The length of the character literal at the start of `rest`; `None` for a lifetime.
fn character(rest: &str) -> Option<usize> {
    let body = &rest[1..];
    if let Some(escaped) = body.strip_prefix('\\') {
        let skip = escaped.chars().next()?.len_utf8();
        return Some(2 + skip + escaped[skip..].find('\'')? + 1);
    }
    let width = body.chars().next()?.len_utf8();
    body[width..].starts_with('\'').then_some(1 + width + 1)
}

/// The table of floors in the head of `lib.rs`: rows of a number and the modules on it.
fn floors(lib: &str) -> Floors {
    let mut floors = Floors::new();
    for line in lib.lines().filter_map(|line| line.strip_prefix("//! | ")) {
        let mut cells = line.split('|');
        let Some(floor) = cells.next().and_then(|cell| cell.trim().parse().ok()) else { continue };
        for name in cells.next().unwrap_or_default().split('`').skip(1).step_by(2) {
            floors.insert(name.to_owned(), floor);
        }
    }
    floors
}

/// Modules below the crate that the file names: after `crate::`, after `weir::` in the binary, or by `super::`.
fn imports(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for root in ["crate", "weir"] {
        for at in source.words(root) {
            if let Some(rest) = source.code[at + root.len()..].strip_prefix("::") {
                found.extend(heads(rest).into_iter().map(|name| (at, name)));
            }
        }
    }
    if source.is_test() {
        return found; // a test module's file lies beside the module it is in, so its path does not tell its depth
    }
    let depth = source.path.trim_end_matches("/mod.rs").matches('/').count();
    for at in source.words("super") {
        let path = &source.code[at..];
        let rest = path.trim_start_matches("super::");
        let supers = (path.len() - rest.len()) / "super::".len();
        let first = !source.code[..at].ends_with("super::");
        if first && supers == depth + inline_modules(source, at) {
            found.extend(heads(rest).into_iter().map(|name| (at, name)));
        }
    }
    found
}

/// The first segment of a path, or of each path of a braced group.
fn heads(rest: &str) -> Vec<String> {
    let name = |text: &str| text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(group) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let (mut depth, mut heads, mut start) = (0, Vec::new(), 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                heads.push(name(&group[start..at]));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                heads.push(name(&group[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    heads
}

/// How many `mod x { … }` of the file enclose the offset.
fn inline_modules(source: &Source, at: usize) -> usize {
    let holds = |start: usize| {
        let Some(open) = source.code[start..].find(['{', ';']).map(|i| start + i) else { return false };
        source.code[open..].starts_with('{') && open < at && at < closing(&source.code, open)
    };
    source.words("mod").filter(|start| holds(*start)).count()
}

/// The offset of the brace that closes the one at `open`.
fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return at,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

/// A module imports only floors below its own; `relay` and `control` stand beside each other.
fn upward_imports(source: &Source, floors: &Floors) -> Vec<String> {
    let room = source.room();
    if source.is_test() || matches!(room, "lib" | "tidy") {
        return Vec::new();
    }
    let Some(own) = floors.get(room) else { return vec![source.problem(0, format!("`{room}` is on no floor"))] };
    let above = imports(source).into_iter().filter_map(|(at, name)| {
        let other = floors.get(&name)?;
        (name != room && (other > own || (other == own && *own == 6))).then_some((at, name))
    });
    above.map(|(at, name)| source.problem(at, format!("`{room}` imports `{name}`"))).collect()
}

fn monoio_outside_rt(source: &Source) -> Vec<String> {
    if source.path.starts_with("src/rt/") {
        return Vec::new();
    }
    source.words("monoio").map(|at| source.problem(at, "only rt/ names monoio")).collect()
}

/// `unsafe` stands in named leaves only, each block or impl below a comment that argues for it.
fn unargued_unsafe(source: &Source) -> Vec<String> {
    let mut problems = Vec::new();
    let leaf = UNSAFE_LEAVES.contains(&source.path.as_str()) || source.is_test();
    for at in source.words("unsafe") {
        let rest = source.code[at + "unsafe".len()..].trim_start();
        let above = lines_above(source, at);
        if !leaf {
            problems.push(source.problem(at, "unsafe outside of its leaves"));
        } else if rest.starts_with("fn") || rest.starts_with("extern") {
            if !rest.starts_with("extern") && !above.contains("# Safety") && !above.contains("SAFETY:") {
                problems.push(source.problem(at, "an unsafe fn without a Safety section"));
            }
        } else if !above.contains("SAFETY:") {
            problems.push(source.problem(at, "unsafe without SAFETY"));
        }
    }
    problems
}

/// The comment on the line of `at` and the comments right above it; attributes and two lines of code may lie between.
fn lines_above(source: &Source, at: usize) -> String {
    let number = source.line(at);
    let code: Vec<_> = source.code.lines().take(number).collect();
    let comments: Vec<_> = source.comments.lines().take(number).collect();
    let (mut found, mut code_lines) = (comments[number - 1].to_owned(), 0);
    for at in (0..number - 1).rev() {
        let is_code = !code[at].trim().is_empty() && !code[at].trim_start().starts_with("#[");
        code_lines += usize::from(is_code);
        if code_lines > 2 || (!found.trim().is_empty() && is_code) {
            break;
        }
        found = format!("{}\n{found}", comments[at]);
    }
    found
}

/// Words that say nothing of what a thing is, in the names of files, types and functions.
fn banned_names(source: &Source) -> Vec<String> {
    let mut names = vec![(0, source.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs").to_owned())];
    for keyword in ["fn", "struct", "enum", "trait", "mod", "type", "const", "static", "union"] {
        for at in source.words(keyword) {
            names.extend(heads(&source.code[at + keyword.len()..]).into_iter().map(|name| (at, name)));
        }
    }
    let banned = |name: &str| snake_words(name).into_iter().find(|word| BANNED_WORDS.contains(&word.as_str()));
    let judged = names.into_iter().filter(|(_, name)| !NAMES_ALLOWED.contains(&name.as_str()));
    let found = judged.filter_map(|(at, name)| banned(&name).map(|word| (at, name, word)));
    found.map(|(at, name, word)| source.problem(at, format!("`{name}` says {word}"))).collect()
}

/// The words of a name in any case: `FooBar`, `foo_bar` and `FOO_BAR` are `foo` and `bar`.
fn snake_words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_small = false;
    for c in name.chars() {
        if c == '_' || (c.is_uppercase() && after_small) {
            words.push(String::new());
        }
        if c != '_' {
            words.last_mut().expect("at least one").extend(c.to_lowercase());
        }
        after_small = c.is_lowercase() || c.is_ascii_digit();
    }
    words
}

/// Lines of a file before its inline tests.
fn long_file(source: &Source) -> Vec<String> {
    let own = source.text.find("#[cfg(test)]\nmod tests {").unwrap_or(source.text.len());
    let lines = source.text[..own].lines().count();
    if source.is_test() || lines <= FILE_LINES_MAX {
        return Vec::new();
    }
    vec![source.problem(own, format!("{lines} lines before the tests, {FILE_LINES_MAX} at most"))]
}

fn long_functions(source: &Source) -> Vec<String> {
    let mut problems = Vec::new();
    for at in source.words("fn").filter(|_| !source.is_test()) {
        let Some(open) = source.code[at..].find(['{', ';']).map(|i| at + i) else { continue };
        if source.code.as_bytes()[open] == b';' {
            continue;
        }
        let lines = source.line(closing(&source.code, open)) - source.line(at) + 1;
        if lines > FUNCTION_LINES_MAX {
            problems.push(source.problem(at, format!("a function of {lines} lines, {FUNCTION_LINES_MAX} at most")));
        }
    }
    problems
}

/// What is left to do belongs into an issue, not into the tree.
fn unfinished(source: &Source) -> Vec<String> {
    let words = ["TODO", "FIXME"];
    let in_comments = words.iter().flat_map(|word| source.comments.match_indices(word));
    let in_code = ["todo!", "unimplemented!", "dbg!"].into_iter().flat_map(|word| source.code.match_indices(word));
    in_comments.chain(in_code).map(|(at, word)| source.problem(at, format!("unfinished: {word}"))).collect()
}

/// Comments that are drawn instead of written. Tables of Markdown are no drawing.
fn banners(source: &Source) -> Vec<String> {
    let mut problems = Vec::new();
    let mut at = 0;
    for line in source.comments.split_inclusive('\n') {
        let runs = ["----", "====", "****", "####", "~~~~", "____", "++++", "////", "──"];
        if !line.contains('|') && runs.iter().any(|run| line.contains(run)) {
            problems.push(source.problem(at, "a banner"));
        }
        at += line.len();
    }
    problems
}

/// Every file opens by saying what it is; a file of tests beside its module says so by its name.
fn headless(source: &Source) -> Vec<String> {
    if source.text.starts_with("//! ") || source.path.ends_with("_test.rs") {
        Vec::new()
    } else {
        vec![source.problem(0, "no head that says what it is")]
    }
}

/// What of a file is tests, as far as the file itself tells: all of it, or what its inline module of tests begins.
fn tests_of(source: &Source) -> &str {
    let is_whole = source.is_test() || source.path.starts_with("src/sim/");
    let is_measured = ["benches/", "fuzz/"].iter().any(|folder| source.path.starts_with(folder));
    let starts = ["", "pub(crate) ", "pub(super) "].map(|seen| format!("#[cfg(test)]\n{seen}mod "));
    match starts.iter().filter_map(|start| source.code.find(start)).min() {
        _ if is_measured => "",
        _ if is_whole => &source.code,
        Some(at) => &source.code[at..],
        None => "",
    }
}

/// The constants of `limits` that no test names: nobody has stood at those bounds, or one past them.
fn untested_bounds(limits: &Source, sources: &[Source]) -> Vec<String> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let tested: HashSet<&str> = sources.iter().flat_map(|source| tests_of(source).split(|c| !is_name(c))).collect();
    let declared = limits.words("const").flat_map(|at| {
        let names = heads(&limits.code[at + "const".len()..]).into_iter();
        names.map(move |name| (at, name))
    });
    let untested = declared.filter(|(_, name)| name != "_" && !tested.contains(name.as_str()));
    untested.map(|(at, name)| limits.problem(at, format!("no test names `{name}`"))).collect()
}

/// A dependency is a cost, so each line of it says what for.
fn unexplained_dependencies(manifest: &str) -> Vec<String> {
    let mut within = false;
    let mut problems = Vec::new();
    for (number, line) in manifest.lines().enumerate() {
        if line.starts_with('[') {
            within = line.trim_end_matches(']').ends_with("dependencies");
        } else if within && !line.trim().is_empty() && !line.starts_with('#') && !line.contains(" # ") {
            problems.push(format!("Cargo.toml:{}: a dependency without its reason", number + 1));
        }
    }
    problems
}

/// All Rust files below `folder`, paths from the root of the package.
fn tree(folder: &Path, root: &Path, sources: &mut Vec<Source>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            if !path.ends_with("target") {
                tree(&path, root, sources);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("a text");
            let path = path.strip_prefix(root).expect("below the root").to_str().expect("a plain path");
            sources.push(Source::new(path, &text));
        }
    }
}

fn problems(source: &Source, floors: &Floors) -> Vec<String> {
    let everywhere = [unargued_unsafe, banned_names, unfinished, banners, headless];
    let in_src = [monoio_outside_rt, long_file, long_functions];
    let mut problems: Vec<_> = everywhere.iter().flat_map(|rule| rule(source)).collect();
    if source.path.starts_with("src/") {
        problems.extend(in_src.iter().flat_map(|rule| rule(source)));
        problems.extend(upward_imports(source, floors));
    }
    problems
}

#[test]
fn the_tree_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    for folder in ["src", "tests", "benches", "fuzz"] {
        tree(&root.join(folder), root, &mut sources);
    }
    let floors = floors(include_str!("lib.rs"));
    assert!(sources.len() > 20 && floors.len() > 12, "{} files, {} rooms", sources.len(), floors.len());
    let mut found: Vec<_> = sources.iter().flat_map(|source| problems(source, &floors)).collect();
    let limits = sources.iter().find(|source| source.path == "src/limits.rs").expect("the bounds");
    found.extend(untested_bounds(limits, &sources));
    for manifest in ["Cargo.toml", "fuzz/Cargo.toml"] {
        let text = std::fs::read_to_string(root.join(manifest)).expect("a manifest");
        found.extend(unexplained_dependencies(&text));
    }
    assert!(found.is_empty(), "{} problems:\n{}", found.len(), found.join("\n"));
}

/// Known defects of relays that this one is to be free of, numbered from 1.
const REPORTED: u32 = 68;

/// The numbers in a name like `conversion_03_and_57_cached_tokens…`.
fn numbers(name: &str) -> impl Iterator<Item = u32> {
    let words = name.split('_').skip_while(|word| *word != "conversion").skip(1);
    words.filter(|word| *word != "and").map_while(|word| word.parse().ok())
}

/// Each of them is a test with its number in its name, or a row of `doc` that says what holds it.
#[test]
fn every_reported_defect_has_its_test_or_its_sentence() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    ["src", "tests"].iter().for_each(|folder| tree(&root.join(folder), root, &mut sources));
    let named = sources.iter().flat_map(|source| source.words("fn").flat_map(|at| heads(&source.code[at + 2..])));
    let tested: Vec<u32> = named.flat_map(|name| numbers(&name).collect::<Vec<_>>()).collect();
    let doc = std::fs::read_to_string(root.join("docs/translation.md")).expect("the document");
    let cells = doc.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    let told: Vec<u32> = cells.flat_map(|cell| cell.split(", ")).filter_map(|cell| cell.parse().ok()).collect();
    let missing: Vec<u32> =
        (1..=REPORTED).filter(|number| !tested.contains(number) && !told.contains(number)).collect();
    assert!(missing.is_empty(), "neither a test nor a sentence: {missing:?}");
    let unknown: Vec<&u32> = tested.iter().chain(&told).filter(|number| **number > REPORTED).collect();
    assert!(unknown.is_empty(), "no such number: {unknown:?}");
}

/// The rows of a table in the head of a file: their numbers, and the names of tests in their last cells. What stands there
/// in brackets is none.
fn rows(text: &str) -> Vec<(u32, Vec<&str>)> {
    let row = |line| {
        let mut cells = str::strip_prefix(line, "//! | ")?.split(" | ");
        let (name, tests) = (cells.next()?, cells.next()?);
        let tests = tests.split(" (").next()?.split('`').skip(1).step_by(2).collect();
        Some((name.split(' ').next()?.parse().ok()?, tests))
    };
    text.lines().filter_map(row).collect()
}

/// Every promise, and every feature of what weir speaks, has tests, and they are there.
#[test]
fn what_is_promised_has_tests_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    ["src", "tests"].iter().for_each(|folder| tree(&root.join(folder), root, &mut sources));
    let named = sources.iter().flat_map(|source| source.words("fn").flat_map(|at| heads(&source.code[at + 2..])));
    let known: HashSet<String> = named.collect();
    for (path, most) in [("tests/relay/promises.rs", 40), ("tests/relay/surface.rs", 21)] {
        let text = std::fs::read_to_string(root.join(path)).expect("a text");
        let rows = rows(&text);
        let numbers: Vec<u32> = rows.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, (1..=most).collect::<Vec<_>>(), "{path}");
        for (number, names) in &rows {
            let missing: Vec<_> = names.iter().filter(|name| !known.contains(**name)).collect();
            assert!(missing.is_empty() && !names.is_empty(), "{path}, row {number}: no such tests: {missing:?}");
        }
    }
}

#[cfg(test)]
#[path = "tidy_test.rs"]
mod tests;
