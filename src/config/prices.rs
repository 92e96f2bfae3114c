//! What models cost: the prices of the file, and behind them those that are shipped.

use super::check::Check;
use super::file::PricePer;
use super::pattern::Pattern;
use super::problem::At;
use super::providers::Providers;
use super::snapshot::ProviderIx;
use crate::protocol::known::{self, Price};

/// The prices of a file.
#[derive(Debug, Default)]
pub struct Prices(Box<[Own]>);

#[derive(Debug)]
struct Own {
    /// Whose model; nothing is anybody's.
    provider: Option<ProviderIx>,
    model: Pattern,
    price: Price,
}

impl Prices {
    /// The price of a provider's model: the first entry of the file that matches, then what is shipped; nothing if
    /// neither knows it.
    pub fn of(&self, provider: ProviderIx, model: &str) -> Option<Price> {
        let matches = |own: &&Own| own.provider.is_none_or(|whose| whose == provider) && own.model.matches(model);
        let own = self.0.iter().find(matches).map(|own| own.price);
        own.or_else(|| known::find(model).map(|known| known.price))
    }
}

impl Check<'_, '_, '_> {
    pub(super) fn prices(&mut self, providers: &Providers) -> Prices {
        let at_prices = At::ROOT.member("prices");
        // Read here, so that no core reads it while somebody waits.
        known::load();
        let mut prices = Vec::new();
        for (name, given) in &self.file.prices {
            let at = at_prices.member(name);
            let factor = match given.per {
                Some(PricePer::Million) => 1.0,
                Some(PricePer::Thousand) => 1_000.0,
                None => {
                    self.absent(&at, "needs \"per\": \"1M\" or \"1K\", the number of tokens that the price is for");
                    continue;
                }
            };
            let (Some(input), Some(output)) = (given.input, given.output) else {
                self.absent(&at, "needs \"input\" and \"output\"");
                continue;
            };
            let per_million = |price: f64| price * factor;
            let price = Price::per_million(
                per_million(input),
                per_million(output),
                given.cache_read.map(per_million),
                given.cache_write.map(per_million),
            );
            // A model's own name may hold a slash: only a provider's name before it means that provider.
            let of_provider = name.split_once('/').and_then(|(provider, model)| {
                let provider = providers.names.get(provider).next().copied()?;
                Some((Some(provider), model))
            });
            let (provider, model) = of_provider.unwrap_or((None, name));
            let model = self.patterns(&at, &[model.to_owned()]).into_iter().next();
            prices.extend(model.map(|model| Own { provider, model, price }));
        }
        Prices(prices.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::snapshot;

    #[test]
    fn the_file_comes_before_what_is_shipped() {
        let s = snapshot(
            r#"{"providers": {"a": {"protocol": "demo"}, "b": {"protocol": "demo"}},
                "prices": {"b/gpt-*": {"per": "1K", "input": 0.002, "output": 0.004}, "own": {"per": "1M", "input": 1, "output": 2, "cache_read": 0.5, "cache_write": 1.25}}}"#,
        );
        let of = |provider, model: &str| s.prices.of(provider, model);
        assert_eq!(of(1, "gpt-4o"), Some(Price::per_million(2.0, 4.0, None, None)));
        assert_eq!(of(0, "gpt-4o"), known::find("gpt-4o").map(|known| known.price));
        assert_eq!(of(0, "OWN"), Some(Price::per_million(1.0, 2.0, Some(0.5), Some(1.25))));
        assert_eq!(of(0, "nobody"), None);
    }
}
