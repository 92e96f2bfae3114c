//! What weir speaks and how it is asked, feature by feature, and the tests that show it.
//!
//! Tests stand where their subject is; those that had no place are here. A test of the tree (`src/tidy.rs`) fails where a
//! row names no test that is there.
//!
//! | feature | tests |
//! |---|---|
//! | 1 Chat clients: one reason to stop, usage where it is asked for, one `[DONE]` | `conversion_13_a_text_is_chunks_a_reason_and_one_done`, `conversion_02_usage_is_told_only_where_it_was_asked_for`, `streams_are_translated` |
//! | 2 Responses clients: all events, a terminal one on every path | `a_text_is_told_in_all_events`, `conversion_04_a_stream_has_exactly_one_end`, `a_stream_that_is_cut_never_looks_whole` |
//! | 3 Anthropic clients: usage at the start, pings, errors in the stream | `conversion_01_the_guess_is_told_first_and_the_count_last`, `conversion_14_a_ping_is_a_comment_before_the_start_and_an_event_behind`, `a_stream_that_is_cut_never_looks_whole` |
//! | 4 Gemini clients: events or an array, signatures on calls | `conversion_13_text_thoughts_and_the_end_and_no_done`, `conversion_52_an_array_has_its_brackets_on_every_path`, `claude_gets_its_thoughts_back_by_way_of_the_call` |
//! | 5 Ollama clients: lines, durations and counts at the end, version, show | `what_is_written_is_what_the_library_reads`, `ollama_clients_find_a_version_and_what_a_model_can`, `tolerated_paths` |
//! | 6 Ollama providers, natively and as Chat | `conversion_20_21_29_bounds_and_efforts_have_ollamas_names`, `a_model_of_ollama_is_asked_either_way` |
//! | 7 `/v1/completions` as a chat | `a_completion_is_a_chat_elsewhere`, `a_completion_streams_text` |
//! | 8 embeddings, images, audio, rerank, moderations pass through | `openai_endpoints_of_a_chat_provider`, `multipart_uploads`, `what_no_protocol_can_say_is_501` |
//! | 9 Responses over WebSocket: an answer at a time, what was said before is known | `conversion_42_responses_are_spoken_over_a_websocket`, `a_message_is_translated_like_any_request`, `one_answer_is_under_way_and_the_rest_waits_in_order` |
//! | 10 `/v1/responses/compact` | `a_conversation_is_compacted`, `a_provider_that_compacts_does_it_itself`, `a_provider_of_responses_without_compaction_is_asked_for_a_summary` |
//! | 11 `/v1/responses/input_tokens` | `tokens_are_counted_where_the_provider_counts_for_nobody`, `responses_endpoints` |
//! | 12 `count_tokens` | `tokens_are_counted_where_the_provider_counts_for_nobody`, `anthropic_endpoints` |
//! | 13 `:countTokens` | `tokens_are_counted_where_the_provider_counts_for_nobody`, `gemini_endpoints` |
//! | 14 lists of models in each dialect | `models_in_the_openai_dialect`, `conversion_40_models_in_the_anthropic_dialect`, `models_in_the_gemini_dialect`, `models_in_the_ollama_dialect`, `codex_is_told_of_models_in_its_own_words`, `a_client_sees_only_its_models` |
//! | 15 the path tells the dialect | `requests_go_where_the_protocol_has_them`, `conversion_30_a_request_of_responses_at_chats_path` |
//! | 16 a protocol for each model of a provider | `a_model_is_asked_in_its_own_protocol`, `a_model_of_ollama_is_asked_either_way` |
//! | 17 bytes are kept between equal protocols | `an_unmapped_body_is_untouched`, `a_mapped_model_changes_nothing_else`, `the_answer_is_untouched`, `bytes_are_kept_in_every_dialect` |
//! | 18 a provider in the name of the model | `a_model_names_its_provider` |
//! | 19 a provider in the path | `a_path_names_its_provider` |
//! | 20 `model(level)` | `the_name_may_ask_for_an_effort` |
//! | 21 coded request bodies | `conversion_46_coded_bodies_are_decoded`, `coded_garbage_is_refused`, `a_coded_body_is_bounded_by_what_it_holds` |

use std::io::Write;

use crate::support::*;
use crate::translation::speech::{self, Say};

on_both_drivers!(
    ollama_clients_find_a_version_and_what_a_model_can,
    a_model_of_ollama_is_asked_either_way,
    codex_is_told_of_models_in_its_own_words,
    the_name_may_ask_for_an_effort,
    a_coded_body_is_bounded_by_what_it_holds,
);

/// As VS Code and Open WebUI look: a version of numbers that is no older than 0.6.4, an architecture with its length.
fn ollama_clients_find_a_version_and_what_a_model_can(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    let mut client = weir.client();
    for path in ["/api/version", "/ollama/api/version"] {
        client.get(path);
        let told = client.answer().json();
        let version: Vec<u32> =
            told["version"].as_str().expect("a version").split('.').map(|n| n.parse().expect("a number")).collect();
        assert!(version >= vec![0, 6, 4], "{told}");
    }
    client.post("/api/show", r#"{"model":"no-such"}"#);
    refused(&client.answer(), Dialect::Ollama, 404);
    client.get("/api/tags");
    assert!(client.answer().json()["models"].is_array());
    upstream.untouched();
}

fn a_model_of_ollama_is_asked_either_way(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut config = config_at("ollama", &upstream.url(""));
    config["providers"]["up"]["models"] = json!([{ "name": "native" }, { "name": "copied", "protocol": "chat" }]);
    let weir = Weir::start(driver, config);
    let mut client = weir.client();
    for (model, path, spoken) in [("native", "/api/chat", "ollama"), ("copied", "/v1/chat/completions", "chat")] {
        client.post(
            "/v1/messages",
            json!({ "model": model, "max_tokens": 9, "messages": [{ "role": "user", "content": "hi" }] }).to_string(),
        );
        let mut call = upstream.next();
        assert_eq!(call.target(), path);
        call.json(200, speech::whole(spoken, Say::Text));
        assert_eq!(client.answer().status(), 200, "{model}");
    }
    // What only the native interface knows goes there.
    client.post(
        "/api/chat",
        r#"{"model":"native","stream":false,"keep_alive":"5m","options":{"num_ctx":4096},"messages":[]}"#,
    );
    let mut call = upstream.next();
    let asked = call.request.json();
    assert_eq!((&asked["options"]["num_ctx"], &asked["keep_alive"]), (&json!(4096), &json!("5m")));
    call.json(200, speech::whole("ollama", Say::Text));
    assert_eq!(client.answer().status(), 200);
}

fn codex_is_told_of_models_in_its_own_words(driver: Driver) {
    let upstream = Upstream::new();
    let mut config = config("responses", &upstream);
    config["providers"]["up"]["models"] = json!(["gpt-5", "claude-x"]);
    let weir = Weir::start(driver, config);
    let mut client = weir.client();
    client.get("/v1/models?client_version=0.171.0");
    let told = client.answer().json();
    let slugs: Vec<_> = told["models"].as_array().expect("a list").iter().map(|model| &model["slug"]).collect();
    // Those of its maker it knows better itself.
    assert_eq!(slugs, ["auto", "claude-x"], "{told}");
}

/// In the words of each protocol, translated or not; a suffix of another kind is an alias with a rule.
fn the_name_may_ask_for_an_effort(driver: Driver) {
    let rows: [(&str, &str, &str, Value); 5] = [
        ("chat", "gpt-5", "/reasoning_effort", json!("high")),
        ("responses", "gpt-5", "/reasoning/effort", json!("high")),
        ("anthropic", "claude-sonnet-4-5", "/thinking/type", json!("enabled")),
        ("gemini", "gemini-3-pro", "/generationConfig/thinkingConfig/thinkingLevel", json!("high")),
        ("ollama", "gpt-oss", "/think", json!("high")),
    ];
    for (upstream, model, place, value) in rows {
        let mut provider = Upstream::new();
        let mut config = config(upstream, &provider);
        config["routes"]["all"] = json!({ "to": ["up"], "models": { "m-1": format!("up/{model}"), "m-high": format!("up/{model}") },
            "payload": [{ "if": { "model": "*-high" }, "override": { "x_asked": true } }] });
        let weir = Weir::start(driver, config);
        for client in speech::SPOKEN {
            let mut asking = weir.client();
            let mut body = speech::request(client, false);
            if body.get("model").is_some() {
                body["model"] = json!("m-1(high)");
            }
            if client == "anthropic" {
                body["max_tokens"] = json!(30_000);
            }
            asking.post(&speech::path(client, false).replace("m-1", "m-1(high)"), body.to_string());
            let mut call = provider.next();
            let asked = call.request.json();
            let found = asked
                .pointer(place)
                .map(|found| found.as_str().map_or(found.clone(), |text| json!(text.to_lowercase())));
            assert_eq!(found.as_ref(), Some(&value), "{client} before {upstream}: {asked}");
            assert!(asked.get("x_asked").is_none());
            if asked.get("model").is_some() {
                assert_eq!(asked["model"], model, "{client} before {upstream}");
            }
            call.json(200, speech::whole(upstream, Say::Text));
            assert_eq!(asking.answer().status(), 200, "{client} before {upstream}");
        }
        let mut asking = weir.client();
        let mut body = speech::request("chat", false);
        body["model"] = json!("m-high");
        asking.post("/v1/chat/completions", body.to_string());
        let mut call = provider.next();
        assert_eq!(call.request.json()["x_asked"], true);
        call.json(200, speech::whole(upstream, Say::Text));
        assert_eq!(asking.answer().status(), 200);
    }
}

fn a_coded_body_is_bounded_by_what_it_holds(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["limits"] = json!({ "body_bytes": 100_000 });
    let weir = Weir::start(driver, config);
    for (bytes, status) in [(100_000, 200), (100_001, 413)] {
        let mut client = weir.client();
        let body = r#"{"model":"m","messages":[]}"#;
        let body = format!("{body}{}", " ".repeat(bytes - body.len()));
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(body.as_bytes()).expect("a vector takes everything");
        for (coding, coded) in
            [("zstd", zstd::encode_all(body.as_bytes(), 3).expect("zstd")), ("gzip", gzip.finish().expect("gzip"))]
        {
            let fields = format!("{}content-encoding: {coding}\r\n", bearer(CLIENT_KEY));
            client.post_with("/v1/chat/completions", &fields, &coded);
            if status == 200 {
                upstream.next().json(200, chat_answer("x"));
            }
            assert_eq!(client.answer().status(), status, "{coding} {bytes}");
        }
    }
}
