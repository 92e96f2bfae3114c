//! Names the commit for `weir version` (that of the repository the crate is built in, else "unknown"), and makes the
//! table of the web UI's files: each as it is and as gzip, under a name of the build, so that browsers keep them.

use std::fmt::Write as _;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;

const WEB: &str = "src/control/web";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    commit();
    web();
}

fn commit() {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo:rustc-env=WEIR_COMMIT={commit}");
    // The log of HEAD grows with every commit and checkout.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo:rerun-if-changed={log}");
    }
}

fn web() {
    println!("cargo:rerun-if-changed={WEB}");
    let mut paths = Vec::new();
    walk(Path::new(WEB), &mut paths);
    paths.sort();
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let mut hash = DefaultHasher::new();
    for path in &paths {
        println!("cargo:rerun-if-changed={}", path.display());
        let name = path.strip_prefix(WEB).expect("below it").to_str().expect("names are ASCII").to_owned();
        let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (&name, &bytes).hash(&mut hash);
        files.push((name, bytes));
    }
    let build = format!("{:016x}", hash.finish());
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    let mut table = format!("pub(super) const BUILD: &str = {build:?};\npub(super) static FILES: &[File] = &[\n");
    for (at, (name, bytes)) in files.iter_mut().enumerate() {
        if name.ends_with(".html") {
            *bytes = String::from_utf8(std::mem::take(bytes)).expect("UTF-8").replace("{build}", &build).into_bytes();
        }
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(bytes).expect("into memory");
        let (plain, packed) = (out.join(format!("web{at}")), out.join(format!("web{at}.gz")));
        fs::write(&plain, bytes).expect("OUT_DIR is ours");
        fs::write(&packed, gzip.finish().expect("into memory")).expect("OUT_DIR is ours");
        let _ = writeln!(
            table,
            "    File {{ path: {name:?}, plain: include_bytes!({plain:?}), gzip: include_bytes!({packed:?}) }},"
        );
    }
    table.push_str("];\n");
    fs::write(out.join("web.rs"), table).expect("OUT_DIR is ours");
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("readable").path();
        if path.is_dir() { walk(&path, found) } else { found.push(path) }
    }
}
