//! Each rule on a few lines that break it, and on their nearest neighbours that do not.

use super::*;

const TABLE: &str = "//! | floor | modules |\n//! |---|---|\n//! | 7 | `main` `cli` | x |\n//! | 6 | `relay`, `control` | x |\n\
    //! | 5 | `rt` | x |\n//! | 1 | `json` `http` | x |\n//! | 0 | `base` `limits` | x |\n";

/// What `rule` says about `text` at `path`: line numbers only.
fn lines(rule: impl Fn(&Source) -> Vec<String>, path: &str, text: &str) -> Vec<usize> {
    let problems = rule(&Source::new(path, text));
    problems.iter().map(|p| p.split(':').nth(1).expect("a line").parse().expect("a number")).collect()
}

#[test]
fn masks_keep_every_offset() {
    let text = "a // b\n/* c /* d */ */ e \"f \\\" // g\" 'h' '\\'' 'i: r#\"j \" k\"# é \"é\" b\"l\" '\"' m";
    let source = Source::new("src/x.rs", text);
    assert_eq!((source.code.len(), source.comments.len()), (text.len(), text.len()));
    assert_eq!(source.code.split_whitespace().collect::<String>(), "ae\"\"'i:r#\"\"#é\"\"b\"\"m");
    assert_eq!(source.comments.split_whitespace().collect::<Vec<_>>(), ["//", "b", "/*", "c", "/*", "d", "*/", "*/"]);
}

#[test]
fn floors_are_read_from_the_table() {
    let floors = floors(TABLE);
    assert_eq!(floors.len(), 9);
    assert_eq!((floors["main"], floors["control"], floors["base"]), (7, 6, 0));
}

#[test]
fn imports_go_down_only() {
    let rule = |source: &Source| upward_imports(source, &floors(TABLE));
    assert_eq!(lines(rule, "src/json/scan.rs", "use crate::base::Span;\nuse crate::rt::Net;\n"), [2]);
    assert_eq!(lines(rule, "src/json/scan.rs", "use crate::{base, relay::{core, rt}, limits};\n"), [1]);
    assert_eq!(lines(rule, "src/json/scan.rs", "fn f() {\n    crate::control::start()\n}\n"), [2]);
    assert_eq!(lines(rule, "src/json/mod.rs", "use super::rt;\nuse super::base;\n"), [1]);
    assert_eq!(lines(rule, "src/json/scan.rs", "use super::rt;\nuse super::super::rt;\n"), [2]);
    assert_eq!(lines(rule, "src/json/mod.rs", "mod x {\n    use super::rt;\n    use super::super::rt;\n}\n"), [3]);
    assert_eq!(lines(rule, "src/relay/core.rs", "use crate::control::Api;\nuse crate::relay::x;\n"), [1]);
    assert_eq!(lines(rule, "src/control/core.rs", "use crate::relay::x;\n"), [1]);
    assert_eq!(lines(rule, "src/http/head.rs", "use crate::json::x;\n"), [] as [usize; 0], "the same floor");
    assert_eq!(lines(rule, "src/main.rs", "use weir::cli;\nuse weir::rt;\n"), [] as [usize; 0]);
    assert_eq!(lines(rule, "src/json/x.rs", "// crate::rt\nlet x = \"crate::rt\";\n"), [] as [usize; 0]);
    assert_eq!(lines(rule, "src/attic/x.rs", "use crate::base;\n"), [1], "on no floor");
}

#[test]
fn monoio_is_named_in_rt_only() {
    assert_eq!(lines(monoio_outside_rt, "src/relay/x.rs", "// monoio\nuse monoio::net;\nlet x = \"monoio\";\n"), [2]);
    assert!(lines(monoio_outside_rt, "src/rt/net.rs", "use monoio::net;\n").is_empty());
}

#[test]
fn unsafe_is_argued_for() {
    let leaf = UNSAFE_LEAVES[0];
    assert_eq!(lines(unargued_unsafe, "src/json/scan.rs", "// SAFETY: no.\nunsafe { x() }\n"), [2]);
    assert_eq!(lines(unargued_unsafe, leaf, "let a = 1;\nunsafe { x() }\n"), [2]);
    assert_eq!(lines(unargued_unsafe, leaf, "// Why not.\nunsafe impl Send for X {}\n"), [2]);
    assert_eq!(lines(unargued_unsafe, leaf, "/// Fast.\nunsafe fn x() {}\n"), [2]);
    assert_eq!(
        lines(unargued_unsafe, leaf, "// SAFETY: a.\nunsafe { x() }\nlet b = 1;\nlet c = 1;\nunsafe { x() }\n"),
        [5]
    );
    for good in [
        "// SAFETY: it is\n// so.\nunsafe { x() }\n",
        "// SAFETY: it is.\n#[allow(x)]\nlet y =\n    unsafe { x() };\n",
        "/// # Safety\n/// Never.\n#[target_feature(enable = \"avx2\")]\nunsafe fn x() {}\n",
        "unsafe { x() } // SAFETY: it is.\n",
        "// unsafe\nlet x = \"unsafe\";\n",
    ] {
        assert!(lines(unargued_unsafe, leaf, good).is_empty(), "{good}");
    }
}

#[test]
fn banned_words_are_found_in_names() {
    assert_eq!(
        lines(
            banned_names,
            "src/x.rs",
            "struct LaneManager;\nfn handler() {}\nmod utils;\nconst COMMON_MAX: u8 = 1;\n"
        ),
        [2, 1, 3, 4]
    );
    assert_eq!(lines(banned_names, "src/json/helper.rs", "//! x\n"), [1]);
    for good in [
        "use tower::Service;\n",
        "struct Uncommonly;\n",
        "// a helper\n",
        "fn commonality() {}\n",
        "impl Handler for X {}\n",
    ] {
        assert!(lines(banned_names, "src/x.rs", good).is_empty(), "{good}");
    }
}

#[test]
fn sizes_are_bounded() {
    let body = "    x();\n".repeat(FUNCTION_LINES_MAX - 2);
    assert!(lines(long_functions, "src/x.rs", &format!("fn f() {{\n{body}}}\n")).is_empty());
    assert_eq!(lines(long_functions, "src/x.rs", &format!("fn f();\nfn f() {{\n    x();\n{body}}}\n")), [2]);
    let file = "//! x\n".repeat(FILE_LINES_MAX);
    let tests = "#[cfg(test)]\nmod tests {\n    // x\n}\n".to_owned();
    assert!(lines(long_file, "src/x.rs", &(file.clone() + &tests)).is_empty());
    assert_eq!(lines(long_file, "src/x.rs", &(file + "// x\n" + &tests)).len(), 1);
}

#[test]
fn unfinished_work_is_found() {
    let marks = ["TO", "FIX"].map(|start| format!("// {start}{}: x\n", if start == "TO" { "DO" } else { "ME" }));
    for mark in marks {
        assert_eq!(lines(unfinished, "src/x.rs", &format!("x();\n{mark}")), [2]);
    }
    assert_eq!(lines(unfinished, "src/x.rs", "fn f() {\n    todo!()\n}\nfn g() { unimplemented!() }\n"), [2, 4]);
    assert!(lines(unfinished, "src/x.rs", "let todo = \"todo!\"; // to do a thing\n").is_empty());
}

#[test]
fn banners_are_found() {
    let banner = format!("// {} parts {}\n", "-".repeat(8), "-".repeat(8));
    assert_eq!(lines(banners, "src/x.rs", &format!("x();\n{banner}// {}\n", "=".repeat(60))), [2, 3]);
    assert!(lines(banners, "src/x.rs", "//! |----|----|\nlet x = \"--------\"; // a -- b\n").is_empty());
}

#[test]
fn numbers_of_defects_are_read_from_names() {
    let read = |name: &str| numbers(name).collect::<Vec<_>>();
    assert_eq!(read("conversion_03_and_57_cached_tokens_of_2_kinds"), [3, 57]);
    assert_eq!(read("test_conversion_8_calls"), [8]);
    assert!(read("reads_68_events").is_empty());
}

#[test]
fn bounds_without_a_test_are_found() {
    let limits = "/// A.\npub const A_MAX: usize = 1;\npub const B_MAX: u32 = 2;\nconst _: () = assert!(A_MAX > 0);\n";
    let found = |path: &str, text: &str| {
        lines(|limits| untested_bounds(limits, &[Source::new(path, text)]), "src/limits.rs", limits)
    };
    for (path, text) in [
        ("src/json/x_test.rs", "let x = [A_MAX, limits::B_MAX];\n"),
        ("tests/relay/x.rs", "x(weir::limits::A_MAX + 1, B_MAX);\n"),
        ("src/x.rs", "#[cfg(test)]\nmod unit {\n    x(A_MAX, B_MAX);\n}\n"),
        ("src/x.rs", "#[cfg(test)]\npub(crate) mod tests {\n    x(A_MAX, B_MAX);\n}\n"),
        ("src/sim/x.rs", "x(A_MAX, B_MAX);\n"),
    ] {
        assert_eq!(found(path, text), [0; 0], "{path}");
    }
    assert_eq!(found("src/x.rs", "x(A_MAX);\n#[cfg(test)]\nmod tests {\n    x(B_MAX);\n}\n"), [2], "the program's own");
    assert_eq!(found("src/x_test.rs", "x(A_MAXIMUM, \"A_MAX\", B_MAX); // A_MAX\n"), [2]);
    assert_eq!(found("benches/x.rs", "x(A_MAX, B_MAX);\n"), [2, 3]);
}

#[test]
fn heads_and_reasons_are_asked_for() {
    assert_eq!(lines(headless, "src/x.rs", "use x;\n"), [1]);
    assert!(lines(headless, "src/x.rs", "//! What it is.\n").is_empty());
    let manifest = "[package]\nname = \"x\"\n[dependencies]\na = \"1\" # why\nb = \"1\"\n\n[dev-dependencies]\nc = \"1\"\n[profile.x]\nlto = 1\n";
    assert_eq!(unexplained_dependencies(manifest).len(), 2);
}
