//! Which rule or scene of its route a request meets.
//!
//! Pure over the request's header fields and the outline of its body. Whether a request is long is counted elsewhere,
//! because that may take long; here it is an answer that is asked for when it is needed.

use crate::config::pattern::Pattern;
use crate::config::snapshot::{Route, Rule, Scene};
use crate::json::Raw;
use crate::protocol::sniff::Outline;

/// A request as rules see it.
pub struct Request<'a, F> {
    /// The values of a header field, of the name given in any case, told to the second until it is content.
    pub header: F,
    /// The body, if it is JSON.
    pub body: Option<(&'a [u8], &'a Outline)>,
    /// The model asked for.
    pub model: &'a str,
}

/// The first rule that the request meets.
pub fn rule<F>(route: &Route, request: &Request<'_, F>) -> Option<u16>
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
pub fn scene(route: &Route, model: &str, body: Option<(&[u8], &Outline)>, is_long: bool) -> Option<Scene> {
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
