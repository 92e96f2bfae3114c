//! Well-known vendors: what they speak, where they are, and the variable their key is usually in.

use crate::protocol::Protocol;
use crate::protocol::ir::{OutputTokensName, Quirks};

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
    /// What is peculiar about it.
    pub quirks: Quirks,
}

/// Nothing peculiar.
const PLAIN: Quirks = Quirks {
    output_tokens_name: OutputTokensName::Auto,
    replays_reasoning: false,
    developer_role: false,
    leading_system_only: false,
    no_system_role: false,
    tool_choice_auto_only: false,
    json_schema_tools: false,
    no_stream_options: false,
};
/// OpenAI itself.
const OPENAI: Quirks = Quirks { developer_role: true, ..PLAIN };
/// Most who copy OpenAI's Chat: they know its first name for the bound on output.
const COPY: Quirks = Quirks { output_tokens_name: OutputTokensName::MaxTokens, ..PLAIN };
/// Those whose models want their reasoning of earlier turns back.
const REPLAYS: Quirks = Quirks { replays_reasoning: true, ..COPY };
/// One leading system message only.
const LEADING: Quirks = Quirks { leading_system_only: true, ..COPY };
/// Zhipu, whose `tool_choice` is `auto` alone.
const ZHIPU: Quirks = Quirks { tool_choice_auto_only: true, ..COPY };
/// Google's own.
const GOOGLE: Quirks = Quirks { json_schema_tools: true, ..PLAIN };

const fn chat(
    name: &'static str,
    base_url: &'static str,
    env: &'static [&'static str],
    families: &'static [&'static str],
) -> Preset {
    Preset { name, protocol: Protocol::Chat, base_url, env, families, quirks: COPY }
}

/// A copy of OpenAI's Chat that is known for more than that.
const fn peculiar(
    name: &'static str,
    base_url: &'static str,
    env: &'static [&'static str],
    families: &'static [&'static str],
    quirks: Quirks,
) -> Preset {
    Preset { name, protocol: Protocol::Chat, base_url, env, families, quirks }
}

const fn other(
    name: &'static str,
    protocol: Protocol,
    base_url: &'static str,
    env: &'static [&'static str],
    quirks: Quirks,
) -> Preset {
    Preset { name, protocol, base_url, env, families: &[], quirks }
}

/// All of them, in the order in which a created file prefers them.
pub const PRESETS: &[Preset] = &[
    peculiar(
        "openai",
        "https://api.openai.com/v1",
        &["OPENAI_API_KEY"],
        &["gpt-*", "chatgpt-*", "o1*", "o3*", "o4*", "text-embedding-*"],
        OPENAI,
    ),
    Preset {
        name: "anthropic",
        protocol: Protocol::Anthropic,
        base_url: "https://api.anthropic.com/v1",
        env: &["ANTHROPIC_API_KEY"],
        families: &["claude-*"],
        quirks: PLAIN,
    },
    Preset {
        name: "gemini",
        protocol: Protocol::Gemini,
        base_url: "https://generativelanguage.googleapis.com/v1beta",
        env: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        families: &["gemini-*"],
        quirks: GOOGLE,
    },
    peculiar("deepseek", "https://api.deepseek.com/v1", &["DEEPSEEK_API_KEY"], &["deepseek-*"], REPLAYS),
    chat("openrouter", "https://openrouter.ai/api/v1", &["OPENROUTER_API_KEY"], &["*/*"]),
    chat("groq", "https://api.groq.com/openai/v1", &["GROQ_API_KEY"], &[]),
    peculiar("moonshot", "https://api.moonshot.cn/v1", &["MOONSHOT_API_KEY"], &["kimi-*", "moonshot-*"], REPLAYS),
    peculiar("zhipu", "https://open.bigmodel.cn/api/paas/v4", &["ZHIPU_API_KEY"], &["glm-*"], ZHIPU),
    chat("dashscope", "https://dashscope.aliyuncs.com/compatible-mode/v1", &["DASHSCOPE_API_KEY"], &["qwen*"]),
    chat("mistral", "https://api.mistral.ai/v1", &["MISTRAL_API_KEY"], &["mistral-*", "codestral-*", "magistral-*"]),
    chat("xai", "https://api.x.ai/v1", &["XAI_API_KEY"], &["grok-*"]),
    chat("siliconflow", "https://api.siliconflow.cn/v1", &["SILICONFLOW_API_KEY"], &[]),
    peculiar("minimax", "https://api.minimax.io/v1", &["MINIMAX_API_KEY"], &["minimax-*"], REPLAYS),
    chat("together", "https://api.together.xyz/v1", &["TOGETHER_API_KEY"], &[]),
    chat("fireworks", "https://api.fireworks.ai/inference/v1", &["FIREWORKS_API_KEY"], &["accounts/fireworks/*"]),
    chat("cerebras", "https://api.cerebras.ai/v1", &["CEREBRAS_API_KEY"], &[]),
    // Its endpoint has no version segment.
    peculiar("perplexity", "https://api.perplexity.ai/chat/completions", &["PERPLEXITY_API_KEY"], &["sonar*"], LEADING),
    chat("nvidia", "https://integrate.api.nvidia.com/v1", &["NVIDIA_API_KEY"], &[]),
    chat("huggingface", "https://router.huggingface.co/v1", &["HF_TOKEN"], &[]),
    chat("deepinfra", "https://api.deepinfra.com/v1/openai", &["DEEPINFRA_API_KEY"], &[]),
    chat("sambanova", "https://api.sambanova.ai/v1", &["SAMBANOVA_API_KEY"], &[]),
    chat("novita", "https://api.novita.ai/openai/v1", &["NOVITA_API_KEY"], &[]),
    chat("hyperbolic", "https://api.hyperbolic.xyz/v1", &["HYPERBOLIC_API_KEY"], &[]),
    chat("nebius", "https://api.tokenfactory.nebius.com/v1", &["NEBIUS_API_KEY"], &[]),
    chat("cohere", "https://api.cohere.ai/compatibility/v1", &["COHERE_API_KEY"], &["command-*"]),
    chat("volcengine", "https://ark.cn-beijing.volces.com/api/v3", &["ARK_API_KEY"], &["doubao-*"]),
    chat("hunyuan", "https://api.hunyuan.cloud.tencent.com/v1", &["HUNYUAN_API_KEY"], &["hunyuan-*"]),
    chat("qianfan", "https://qianfan.baidubce.com/v2", &["QIANFAN_API_KEY"], &["ernie-*"]),
    chat("stepfun", "https://api.stepfun.com/v1", &["STEPFUN_API_KEY"], &["step-*"]),
    peculiar("zai", "https://api.z.ai/api/paas/v4", &["ZAI_API_KEY"], &[], ZHIPU),
    chat("lmstudio", "http://127.0.0.1:1234/v1", &[], &[]),
    chat("vllm", "http://127.0.0.1:8000/v1", &[], &[]),
    chat("llamacpp", "http://127.0.0.1:8080/v1", &[], &[]),
    // The Anthropic side of vendors whose own side is above; their keys are the same.
    other("deepseek-anthropic", Protocol::Anthropic, "https://api.deepseek.com/anthropic/v1", &[], PLAIN),
    other("zhipu-anthropic", Protocol::Anthropic, "https://open.bigmodel.cn/api/anthropic/v1", &[], PLAIN),
    other("moonshot-anthropic", Protocol::Anthropic, "https://api.moonshot.cn/anthropic/v1", &[], PLAIN),
    other("openai-responses", Protocol::Responses, "https://api.openai.com/v1", &[], OPENAI),
    other("azure", Protocol::Azure, "", &[], OPENAI),
    other("ollama", Protocol::Ollama, "http://127.0.0.1:11434", &[], PLAIN),
    other("demo", Protocol::Demo, "", &[], PLAIN),
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
    fn every_preset_loads() {
        assert!(PRESETS.len() >= 25);
        for preset in PRESETS {
            let base = match preset.base_url {
                "" if preset.protocol == Protocol::Azure => r#", "base_url": "https://x.openai.azure.com""#,
                _ => "",
            };
            let file = format!(r#"{{"providers": {{"p": {{"preset": "{}", "keys": ["k"]{base}}}}}}}"#, preset.name);
            let s = super::super::tests::snapshot(&file);
            assert_eq!(s.providers[0].protocol, preset.protocol, "{}", preset.name);
            assert_eq!(s.providers[0].quirks, preset.quirks, "{}", preset.name);
            assert_eq!(PRESETS.iter().filter(|other| other.name == preset.name).count(), 1, "{}", preset.name);
        }
    }

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
