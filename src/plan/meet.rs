//! Which rule or scene of its route a request meets.
//!
//! Pure over the request's header fields and the outline of its body. Whether a request is long may take a while to
//! find out: a [`Look`] says what is to be counted, and whoever looks counts it in steps as he can afford.

use super::route::{self, Question};
use crate::config::Snapshot;
use crate::config::pattern::Pattern;
use crate::config::snapshot::{Route, Rule, Scene};
use crate::json::Raw;
use crate::protocol::sniff::Outline;
use crate::protocol::tokens::Count;

/// A look at a request, for the rule and the scene that its question needs.
pub struct Look<'a> {
    /// The route whose scenes matter; nothing if none do.
    scenes: Option<&'a Route>,
    count: Option<Count<'a>>,
    /// The route that has been looked at.
    pub route: Option<&'a Route>,
}

impl<'a> Look<'a> {
    /// Begins, and notes the rule that the request meets.
    pub fn begin<F>(
        s: &'a Snapshot,
        question: &mut Question<'_>,
        header: F,
        body: Option<(&'a [u8], &'a Outline)>,
    ) -> Look<'a>
    where
        F: Fn(&str, &dyn Fn(&str) -> bool) -> bool,
    {
        let Some(route) = route::looks_at_request(s, question) else {
            return Look { scenes: None, count: None, route: None };
        };
        question.rule = rule(route, &Request { header, body, model: question.model });
        let scenes = (question.rule.is_none() && route::looks_at_scene(route, s, question.model)).then_some(route);
        let count = scenes.and_then(|route| to_count(route, body));
        Look { scenes, count, route: Some(route) }
    }

    /// What is still to be counted.
    pub fn counts(&mut self) -> Option<&mut Count<'a>> {
        self.count.as_mut().filter(|count| count.verdict().is_none())
    }

    /// Ends, and notes the scene that the request is of. What has not been counted is not long.
    pub fn end(self, question: &mut Question<'_>, body: Option<(&[u8], &Outline)>) {
        if let Some(route) = self.scenes {
            let is_long = self.count.and_then(|count| count.verdict()) == Some(true);
            question.scene = scene(route, question.model, body, is_long);
        }
    }

    /// Whether the request's scene was asked for.
    pub fn asks_scene(&self) -> bool {
        self.scenes.is_some()
    }
}

/// What tells whether a request is long; nothing where nobody asks, or its body has no more bytes than it may have
/// tokens.
fn to_count<'a>(route: &Route, body: Option<(&'a [u8], &'a Outline)>) -> Option<Count<'a>> {
    let bound = route.scenes.long_context_tokens?;
    let (body, outline) = body.filter(|(body, _)| body.len() > bound as usize)?;
    let mut texts = Vec::new();
    outline.texts(body, |text| texts.push(text));
    Some(Count::new(texts, bound))
}

/// A request as rules see it.
struct Request<'a, F> {
    /// The values of a header field, of the name given in any case, told to the second until it is content.
    header: F,
    /// The body, if it is JSON.
    body: Option<(&'a [u8], &'a Outline)>,
    /// The model asked for.
    model: &'a str,
}

/// The first rule that the request meets.
fn rule<F>(route: &Route, request: &Request<'_, F>) -> Option<u16>
where
    F: Fn(&str, &dyn Fn(&str) -> bool) -> bool,
{
    let place = route.rules.iter().position(|rule| meets(rule, request))?;
    u16::try_from(place).ok()
}

fn meets<F>(rule: &Rule, request: &Request<'_, F>) -> bool
where
    F: Fn(&str, &dyn Fn(&str) -> bool) -> bool,
{
    let model = rule.models.is_empty() || rule.models.iter().any(|pattern| pattern.matches(request.model));
    model
        && rule.headers.iter().all(|(name, pattern)| (request.header)(name, &|value| pattern.matches(value)))
        && rule.members.iter().all(|(path, pattern)| {
            request.body.is_some_and(|(body, outline)| outline.any(body, path, |value| holds(value, pattern)))
        })
}

/// A string is matched by what it says, another value by how it is written.
pub fn holds(value: Raw<'_>, pattern: &Pattern) -> bool {
    match value.as_str() {
        Some(text) => pattern.matches(&text.decode()),
        None => std::str::from_utf8(value.bytes()).is_ok_and(|text| pattern.matches(text)),
    }
}

/// The first scene that the request is of, whether or not the route has an entry for it.
fn scene(route: &Route, model: &str, body: Option<(&[u8], &Outline)>, is_long: bool) -> Option<Scene> {
    Scene::ALL.into_iter().find(|scene| match (scene, body) {
        (Scene::LongContext, _) => is_long,
        (Scene::Background, _) => {
            let haiku = model.as_bytes().windows(5).any(|part| part.eq_ignore_ascii_case(b"haiku"));
            haiku || crate::config::pattern::any(&route.scenes.background_models, model)
        }
        (Scene::WebSearch, Some((body, outline))) => outline.searches(body),
        (Scene::Think, Some((body, outline))) => outline.reasons(body),
        (Scene::Image, Some((body, outline))) => outline.shows_image(body),
        (Scene::WebSearch | Scene::Think | Scene::Image, None) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::snapshot;
    use crate::protocol::Dialect;

    #[test]
    fn a_small_model_is_one_of_the_background() {
        let s = snapshot(
            r#"{"providers": {"d": {"protocol": "demo"}},
                "routes": {"r": {"to": ["d"], "scenes": {"background": "d"}, "background_models": ["*-mini", "nano"]}}}"#,
        );
        let scene = |model: &str| {
            let mut question =
                Question { client: None, dialect: Dialect::Chat, forced: None, model, rule: None, scene: None };
            let look = Look::begin(&s, &mut question, |_, _| false, None);
            look.end(&mut question, None);
            question.scene
        };
        for small in ["claude-Haiku-4", "gpt-5-MINI", "nano"] {
            assert_eq!(scene(small), Some(Scene::Background), "{small}");
        }
        for other in ["gpt-5", "nano-2", "mini", ""] {
            assert_eq!(scene(other), None, "{other}");
        }
    }
}
