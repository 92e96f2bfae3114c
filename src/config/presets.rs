//! Well-known vendors: what they speak, where they are, and the variable their key is usually in.

use crate::protocol::Protocol;

/// A vendor.
#[derive(Debug)]
pub struct Preset {
    /// Its name in `preset`.
    pub name: &'static str,
    /// What it speaks.
    pub protocol: Protocol,
    /// Its address; empty where each customer has another.
    pub base_url: &'static str,
    /// Variables that hold its key, the first that is set counts; none for what needs no key.
    pub env: &'static [&'static str],
    /// Model names that are its own. A file made from the environment routes them there.
    pub families: &'static [&'static str],
}

const fn chat(
    name: &'static str,
    base_url: &'static str,
    env: &'static [&'static str],
    families: &'static [&'static str],
) -> Preset {
    Preset { name, protocol: Protocol::Chat, base_url, env, families }
}

/// All of them, in the order in which a created file prefers them.
pub const PRESETS: &[Preset] = &[
    chat(
        "openai",
        "https://api.openai.com/v1",
        &["OPENAI_API_KEY"],
        &["gpt-*", "chatgpt-*", "o1*", "o3*", "o4*", "text-embedding-*"],
    ),
    Preset {
        name: "anthropic",
        protocol: Protocol::Anthropic,
        base_url: "https://api.anthropic.com/v1",
        env: &["ANTHROPIC_API_KEY"],
        families: &["claude-*"],
    },
    Preset {
        name: "gemini",
        protocol: Protocol::Gemini,
        base_url: "https://generativelanguage.googleapis.com/v1beta",
        env: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        families: &["gemini-*"],
    },
    chat("deepseek", "https://api.deepseek.com/v1", &["DEEPSEEK_API_KEY"], &["deepseek-*"]),
    chat("openrouter", "https://openrouter.ai/api/v1", &["OPENROUTER_API_KEY"], &["*/*"]),
    chat("groq", "https://api.groq.com/openai/v1", &["GROQ_API_KEY"], &[]),
    chat("moonshot", "https://api.moonshot.cn/v1", &["MOONSHOT_API_KEY"], &["kimi-*", "moonshot-*"]),
    chat("zhipu", "https://open.bigmodel.cn/api/paas/v4", &["ZHIPU_API_KEY"], &["glm-*"]),
    chat("dashscope", "https://dashscope.aliyuncs.com/compatible-mode/v1", &["DASHSCOPE_API_KEY"], &["qwen*"]),
    chat("mistral", "https://api.mistral.ai/v1", &["MISTRAL_API_KEY"], &["mistral-*", "codestral-*", "magistral-*"]),
    chat("xai", "https://api.x.ai/v1", &["XAI_API_KEY"], &["grok-*"]),
    chat("siliconflow", "https://api.siliconflow.cn/v1", &["SILICONFLOW_API_KEY"], &[]),
    chat("minimax", "https://api.minimax.io/v1", &["MINIMAX_API_KEY"], &["minimax-*"]),
    chat("together", "https://api.together.xyz/v1", &["TOGETHER_API_KEY"], &[]),
    chat("fireworks", "https://api.fireworks.ai/inference/v1", &["FIREWORKS_API_KEY"], &["accounts/fireworks/*"]),
    chat("cerebras", "https://api.cerebras.ai/v1", &["CEREBRAS_API_KEY"], &[]),
    // Its endpoint has no version segment.
    chat("perplexity", "https://api.perplexity.ai/chat/completions", &["PERPLEXITY_API_KEY"], &["sonar*"]),
    Preset { name: "azure", protocol: Protocol::Azure, base_url: "", env: &[], families: &[] },
    Preset { name: "ollama", protocol: Protocol::Ollama, base_url: "http://127.0.0.1:11434", env: &[], families: &[] },
    Preset { name: "demo", protocol: Protocol::Demo, base_url: "", env: &[], families: &[] },
];

/// Other names of the same vendors.
const ALIASES: &[(&str, &str)] = &[
    ("aliyun", "dashscope"),
    ("qwen", "dashscope"),
    ("google", "gemini"),
    ("kimi", "moonshot"),
    ("claude", "anthropic"),
    ("grok", "xai"),
];

/// The vendor of that name.
pub fn find(name: &str) -> Option<&'static Preset> {
    let name = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, name)| name);
    PRESETS.iter().find(|preset| preset.name == name)
}

/// Every name `find` knows.
pub fn names() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|preset| preset.name).chain(ALIASES.iter().map(|(alias, _)| *alias))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_sound() {
        for name in names() {
            assert!(find(name).is_some(), "{name}");
        }
        for preset in PRESETS.iter().filter(|preset| !preset.base_url.is_empty()) {
            let parsed = super::super::url::base(preset.base_url, preset.protocol).unwrap();
            assert!(parsed.base.versioned || preset.protocol == Protocol::Ollama, "{}", preset.name);
        }
    }
}
