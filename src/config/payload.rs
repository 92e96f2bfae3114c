//! System prompts and rules on bodies: texts are read, paths and values checked.

use super::check::Check;
use super::file::{self, Anything, Named, OneOrMany, PromptMode};
use super::pattern::Pattern;
use super::problem::{At, hint};
use super::routes::PATH_EXPECTED;
use super::secret_ref;
use super::snapshot::{Condition, Payload, Shaping};
use crate::base::ascii;
use crate::json;
use crate::json::path::Path;
use crate::protocol::Dialect;
use crate::protocol::prompt::{Place, Prompt};

impl Check<'_, '_, '_> {
    /// What a route or provider at `at` changes.
    pub(super) fn shaping(
        &mut self,
        at: &At<'_>,
        prompt: Option<&file::SystemPrompt>,
        payload: &[file::PayloadRule],
    ) -> Shaping {
        let prompt = prompt.and_then(|prompt| self.prompt(&at.member("system_prompt"), prompt));
        let at_payload = at.member("payload");
        let rules = payload.iter().enumerate().map(|(place, rule)| self.payload(&at_payload.entry(place), rule));
        Shaping { prompt, payload: rules.collect() }
    }

    /// A system prompt has its text from one place, and the file can be read.
    fn prompt(&mut self, at: &At<'_>, given: &file::SystemPrompt) -> Option<Prompt> {
        let text = match (&given.text, &given.file) {
            (Some(text), None) => Some(text.clone()),
            (None, Some(place)) => {
                let path = secret_ref::path(place, self.outside.env);
                let read = path.and_then(|path| {
                    (self.outside.read)(&path).map_err(|error| format!("{}: {}", path.display(), error.kind()))
                });
                match read {
                    // A file ends with a line end that its writer did not mean.
                    Ok(text) => Some(text.trim_end_matches(['\r', '\n']).to_owned()),
                    Err(message) => {
                        self.problems.error(&at.member("file"), message);
                        None
                    }
                }
            }
            (None, None) if !given.replacements.is_empty() => Some(String::new()),
            (None, None) => {
                self.absent(at, "needs \"text\" or \"file\"");
                None
            }
            (Some(_), Some(_)) => {
                self.problems.error(at, "has both \"text\" and \"file\"");
                None
            }
        };
        let at_replacements = at.member("replacements");
        for (place, replacement) in given.replacements.iter().enumerate() {
            if replacement.old.is_empty() {
                self.problems.error(&at_replacements.entry(place).member("old"), "is empty: it stands everywhere");
            }
        }
        let replacements =
            given.replacements.iter().map(|pair| (pair.old.as_str().into(), pair.new.as_str().into())).collect();
        let place = match given.mode {
            PromptMode::Append => Place::Append,
            PromptMode::Prepend => Place::Prepend,
            PromptMode::Replace => Place::Replace,
        };
        text.map(|text| Prompt::new(place, &text, replacements))
    }

    fn payload(&mut self, at: &At<'_>, given: &file::PayloadRule) -> Payload {
        let when = self.conditions(&at.member("if"), &given.when);
        let mut default = self.values(&at.member("default"), &given.default);
        default.extend(self.raw_values(&at.member("default_raw"), &given.default_raw));
        let mut overriding = self.values(&at.member("override"), &given.overriding);
        overriding.extend(self.raw_values(&at.member("override_raw"), &given.override_raw));
        let filter = self.paths(&at.member("filter"), &given.filter);
        let values = given.default.0.len() + given.overriding.0.len();
        let raw_values = given.default_raw.0.len() + given.override_raw.0.len();
        if values + raw_values + given.filter.len() == 0 {
            self.absent(at, "changes nothing: it needs \"default\", \"override\" or \"filter\"");
        }
        Payload { when: when.into(), default: default.into(), overriding: overriding.into(), filter: filter.into() }
    }

    fn conditions(&mut self, at: &At<'_>, given: &file::PayloadConditions) -> Vec<Condition> {
        let mut when = Vec::new();
        if let Some(list) = &given.model {
            when.push(Condition::Model(self.patterns(&at.member("model"), list.as_slice())));
        }
        if let Some(list) = &given.protocol {
            when.push(Condition::Protocol(self.dialects(&at.member("protocol"), list)));
        }
        if let Some(list) = &given.from {
            when.push(Condition::From(self.dialects(&at.member("from"), list)));
        }
        let at_header = at.member("header");
        for (name, text) in &given.header {
            if !ascii::is_token(name.as_bytes()) {
                self.problems.error(&at_header.member(name), "is no name of a header field");
            }
            when.push(Condition::Header(name.into(), Pattern::new(text)));
        }
        for (member, list) in [("match", &given.matching), ("not_match", &given.not_match)] {
            let at = at.member(member);
            for (path, text) in list {
                let Some(path) = self.path(&at.member(path), path) else { continue };
                let pattern = Pattern::new(text);
                when.push(match member {
                    "match" => Condition::Match(path, pattern),
                    _ => Condition::NotMatch(path, pattern),
                });
            }
        }
        when.extend(self.paths(&at.member("exist"), &given.exist).into_iter().map(Condition::Exist));
        when.extend(self.paths(&at.member("not_exist"), &given.not_exist).into_iter().map(Condition::NotExist));
        when
    }

    fn dialects(&mut self, at: &At<'_>, list: &OneOrMany) -> Box<[Dialect]> {
        let mut dialects = Vec::new();
        for (place, word) in list.as_slice().iter().enumerate() {
            match Dialect::ALL.into_iter().find(|dialect| dialect.name() == word) {
                Some(dialect) => dialects.push(dialect),
                None => {
                    let names = || Dialect::ALL.into_iter().map(Dialect::name);
                    let at_entry = at.entry(place);
                    let at = if matches!(list, OneOrMany::One(_)) { at } else { &at_entry };
                    let known: Vec<&str> = names().collect();
                    let quoted = self.problems.quote(at, word);
                    self.problems.error(at, format!("{quoted} is none of {}{}", known.join(", "), hint(word, names())));
                }
            }
        }
        dialects.into()
    }

    fn path(&mut self, at: &At<'_>, text: &str) -> Option<Path> {
        let path = Path::parse(text);
        if path.is_none() {
            self.problems.error(at, PATH_EXPECTED);
        }
        path
    }

    fn paths(&mut self, at: &At<'_>, texts: &[String]) -> Vec<Path> {
        texts.iter().enumerate().filter_map(|(place, text)| self.path(&at.entry(place), text)).collect()
    }

    fn values(&mut self, at: &At<'_>, given: &Named<Anything>) -> Vec<(Path, Box<[u8]>)> {
        let mut values = Vec::new();
        for (path, Anything(value)) in given {
            if let Some(path) = self.path(&at.member(path), path) {
                values.push((path, value.to_string().into_bytes().into()));
            }
        }
        values
    }

    fn raw_values(&mut self, at: &At<'_>, given: &Named<String>) -> Vec<(Path, Box<[u8]>)> {
        let mut values = Vec::new();
        for (path, text) in given {
            let at = at.member(path);
            if let Err(error) = json::value(text.as_bytes()) {
                self.problems.error(&at, format!("is no JSON text: {error}"));
            }
            if let Some(path) = self.path(&at, path) {
                values.push((path, text.trim().as_bytes().into()));
            }
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{reading, snapshot};

    #[test]
    fn a_prompt_is_a_text_or_a_file() {
        let file =
            |prompt: &str| format!(r#"{{"providers": {{"d": {{"protocol": "demo", "system_prompt": {prompt}}}}}}}"#);
        let of = |prompt: &str| snapshot(&file(prompt)).providers[0].shaping.prompt.clone();
        // Only the line end that an editor leaves goes.
        assert_eq!(of(r#"{"file": "/run/key"}"#), of(r#"{"text": "sk-from-file\r\nsecond line"}"#));
        assert_ne!(of(r#"{"file": "/run/key"}"#), of(r#"{"file": "/run/key", "mode": "prepend"}"#));
        for wrong in [r#"{"file": "/nowhere"}"#, r#"{"file": "/run/key", "text": "t"}"#, "{}"] {
            assert!(reading(&file(wrong)).failed(), "{wrong}");
        }
    }
}
