//! One table of truth: for each setting of the file a value that means something else than its default, and a test that
//! proves its effect.
//!
//! A member that the schema has and the table has not, a test that is not there, and a value that changes nothing of
//! what the file means are failures. So nobody adds a setting without an effect.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::tests::reading;

/// A file in which every part is there, for the values to be set in.
const BASE: &str = r#"{
  "admin": {"password": "x"}, "tls": {"cert": "/etc/weir/cert.pem", "key": "/etc/weir/key.pem"},
  "clients": {"c": {"key": "k1", "limits": {}}},
  "providers": {
    "p": {"protocol": "chat", "base_url": "https://h.example/v1", "keys": [{"key": "u1"}], "models": [{"name": "m"}],
          "system_prompt": {"text": "t", "replacements": [{"old": "a", "new": "b"}]}, "payload": [{"if": {}, "override": {"x": 1}}],
          "on_error": [{"status": [400], "cool_ms": 5}], "quirks": {}, "timeouts": {}, "tls": {}},
    "q": {"protocol": "demo"}},
  "routes": {
    "r": {"to": ["p"], "models": {"n": "p"}, "rules": [{"if": {"model": "x"}, "to": "p"}], "scenes": {"image": "p"}},
    "s": {"to": ["q"]}},
  "default_route": "r", "default_routes": {}, "prices": {"m": {"per": "1M", "input": 1, "output": 2}}, "probes": {},
  "retry": {}, "cooldown": {}, "timeouts": {}, "limits": {}, "usage": {}, "traces": {}, "otlp": {"endpoint": "http://127.0.0.1:4318"}, "log": {}
}"#;

/// Where a type of the schema stands in that file.
const PLACES: &[(&str, &str)] = &[
    ("File", ""),
    ("ServerTls", "/tls"),
    ("Admin", "/admin"),
    ("Client", "/clients/c"),
    ("ClientLimits", "/clients/c/limits"),
    ("Provider", "/providers/p"),
    ("Key", "/providers/p/keys/0"),
    ("Model", "/providers/p/models/0"),
    ("SystemPrompt", "/providers/p/system_prompt"),
    ("Replacement", "/providers/p/system_prompt/replacements/0"),
    ("PayloadRule", "/providers/p/payload/0"),
    ("PayloadConditions", "/providers/p/payload/0/if"),
    ("ErrorRule", "/providers/p/on_error/0"),
    ("Quirks", "/providers/p/quirks"),
    ("UpstreamTimeouts", "/providers/p/timeouts"),
    ("ClientTls", "/providers/p/tls"),
    ("Route", "/routes/r"),
    ("RouteRule", "/routes/r/rules/0"),
    ("Conditions", "/routes/r/rules/0/if"),
    ("Scenes", "/routes/r/scenes"),
    ("DefaultRoutes", "/default_routes"),
    ("Price", "/prices/m"),
    ("Probes", "/probes"),
    ("Retry", "/retry"),
    ("Cooldown", "/cooldown"),
    ("Timeouts", "/timeouts"),
    ("Limits", "/limits"),
    ("Usage", "/usage"),
    ("Traces", "/traces"),
    ("Otlp", "/otlp"),
    ("Log", "/log"),
];

/// A setting, a value for it, and where its effect is proved: a file below `src/` or `tests/`, and a test in it. No value
/// where the file's meaning does not show it (a secret, a certificate) or says the same by other members.
#[rustfmt::skip]
const EFFECTS: &[(&str, &str, &str, &str)] = &[
    ("File.$schema", "", "src/config/tests.rs", "the_example_is_valid"),
    ("File.listen", r#""127.0.0.1:1""#, "tests/relay/life.rs", "listeners_of_every_kind"),
    ("File.tls", "null", "tests/relay/client_tls.rs", "answers_and_streams_go_over_tls"),
    ("File.admin", r#"{"listen": "127.0.0.1:9"}"#, "tests/relay/admin.rs", "only_the_administrator_is_answered"),
    ("File.cores", "3", "tests/relay/life.rs", "several_cores_serve"),
    ("File.driver", r#""epoll""#, "tests/relay/life.rs", "the_driver_is_told"),
    ("File.data_dir", r#""/elsewhere""#, "tests/relay/health.rs", "health_survives_a_restart"),
    ("File.proxy", r#""http://127.0.0.1:9""#, "tests/relay/proxies.rs", "connect_leads_to_the_provider"),
    ("File.clients", "{}", "tests/relay/access.rs", "every_form_of_the_key_is_taken"),
    ("File.access", r#""open""#, "tests/relay/access.rs", "open_access_serves_any_key"),
    ("File.allow_ips", r#"["10.0.0.1"]"#, "tests/relay/access.rs", "foreign_addresses_are_a_matter_of_allow_ips"),
    ("File.providers", r#"{"p": {"protocol": "demo"}, "q": {"protocol": "demo"}}"#, "tests/relay/fallback.rs", "the_next_target_is_tried"),
    ("File.routes", r#"{"r": {"to": ["q"]}}"#, "src/plan/route_test.rs", "names_become_targets"),
    ("File.default_route", r#""s""#, "src/plan/route_test.rs", "the_route_is_the_clients_then_the_dialects_then_the_default"),
    ("File.default_routes", r#"{"chat": "s"}"#, "src/plan/route_test.rs", "the_route_is_the_clients_then_the_dialects_then_the_default"),
    ("File.prices", "{}", "tests/relay/pools.rs", "a_budget_is_spent_and_told"),
    ("File.probes", r#"{"every_s": 60, "providers": ["p"]}"#, "tests/relay/pools.rs", "probes_come_by_themselves_at_the_start"),
    ("File.retry", r#"{"attempts_max": 2}"#, "tests/relay/fallback.rs", "attempts_have_an_end"),
    ("File.cooldown", r#"{"failures": 2}"#, "tests/relay/promises.rs", "promise_17_a_key_in_trouble_rests"),
    ("File.timeouts", r#"{"head_ms": 2}"#, "tests/relay/limits.rs", "a_dripping_head_is_ended"),
    ("File.limits", r#"{"connections": 2}"#, "tests/relay/limits.rs", "the_bound_of_connections"),
    ("File.usage", r#"{"keep_days": 2}"#, "src/control/store/store_test.rs", "old_rows_go_in_steps_and_sums_by_their_grain"),
    ("File.traces", r#"{"bodies": "all"}"#, "tests/relay/store.rs", "a_trace_tells_what_passed_on_both_sides"),
    ("File.otlp", "null", "tests/relay/store.rs", "exchanges_are_told_as_spans"),
    ("File.log", r#"{"level": "off"}"#, "tests/relay/admin.rs", "one_line_for_each_exchange"),
    ("File.watch", "false", "tests/relay/life.rs", "a_changed_file_is_noticed"),
    ("ServerTls.cert", "", "tests/relay/client_tls.rs", "a_certificate_is_read_again_at_a_reload"),
    ("ServerTls.key", "", "tests/relay/client_tls.rs", "a_pair_that_does_not_fit_refuses_the_reload"),
    ("Admin.listen", r#""127.0.0.1:9""#, "tests/relay/command_line.rs", "a_taken_address_is_named"),
    ("Admin.password", "null", "tests/relay/admin_doors.rs", "promise_35_without_a_password_a_token_is_shown_once"),
    ("Client.key", "", "tests/relay/access.rs", "a_wrong_key_is_refused_in_the_dialect"),
    ("Client.route", r#""s""#, "src/plan/route_test.rs", "the_route_is_the_clients_then_the_dialects_then_the_default"),
    ("Client.models", r#"["m"]"#, "tests/relay/access.rs", "a_client_is_held_to_its_models"),
    ("Client.limits", r#"{"concurrent_requests": 1}"#, "tests/relay/routing.rs", "a_client_has_its_bounds"),
    ("Client.expires", r#""2030-01-01T00:00:00Z""#, "tests/relay/access.rs", "disabled_and_expired_clients_are_refused"),
    ("Client.disabled", "true", "tests/relay/access.rs", "disabled_and_expired_clients_are_refused"),
    ("ClientLimits.requests_per_minute", "5", "tests/relay/routing.rs", "a_client_has_its_bounds"),
    ("ClientLimits.requests_per_hour", "5", "tests/relay/routing.rs", "bounds_outlive_a_reload"),
    ("ClientLimits.requests_per_day", "5", "tests/relay/pools.rs", "what_a_client_has_used_outlives_the_process"),
    ("ClientLimits.tokens_per_minute", "5", "src/plan/quota.rs", "each_bound_of_the_file_holds"),
    ("ClientLimits.tokens_per_hour", "5", "src/plan/quota.rs", "each_bound_of_the_file_holds"),
    ("ClientLimits.tokens_per_day", "5", "tests/relay/routing.rs", "a_client_has_its_bounds"),
    ("ClientLimits.concurrent_requests", "5", "tests/relay/routing.rs", "requests_at_once_are_bounded"),
    ("ClientLimits.cost_per_day", "0.5", "tests/relay/pools.rs", "a_budget_is_spent_and_told"),
    ("ClientLimits.cost_per_month", "0.5", "src/plan/quota.rs", "each_bound_of_the_file_holds"),
    ("Provider.preset", r#""deepseek""#, "src/config/presets.rs", "every_preset_loads"),
    ("Provider.protocol", r#""anthropic""#, "tests/relay/translation.rs", "requests_go_where_the_protocol_has_them"),
    ("Provider.base_url", r#""https://i.example/v1""#, "tests/relay/families.rs", "base_urls_of_every_shape"),
    ("Provider.api_version", r#""2030-01-01""#, "tests/relay/families.rs", "azure_endpoints"),
    ("Provider.keys", r#"["u2"]"#, "tests/relay/fallback.rs", "keys_take_turns"),
    ("Provider.balance", r#""weighted""#, "tests/relay/pools.rs", "weights_are_shares"),
    ("Provider.affinity", r#""none""#, "tests/relay/pools.rs", "a_conversation_without_a_name_is_what_it_begins_with"),
    ("Provider.models", r#"["o"]"#, "tests/relay/dialects.rs", "models_in_the_openai_dialect"),
    ("Provider.exclude_models", r#"["*-x"]"#, "src/plan/route_test.rs", "names_become_targets"),
    ("Provider.prefix", r#""pre""#, "src/plan/route_test.rs", "names_become_targets"),
    ("Provider.force_prefix", "", "src/plan/route_test.rs", "names_become_targets"),
    ("Provider.headers", r#"{"x-a": "b"}"#, "tests/relay/families.rs", "headers_of_the_config_win"),
    ("Provider.proxy", r#""http://127.0.0.1:9""#, "tests/relay/proxies.rs", "connect_leads_to_the_provider"),
    ("Provider.think_tag", r#""think""#, "tests/relay/translation.rs", "thoughts_in_tags_become_reasoning"),
    ("Provider.system_prompt", "null", "tests/relay/translation.rs", "bodies_are_shaped_in_the_targets_protocol"),
    ("Provider.payload", "[]", "tests/relay/routing.rs", "bodies_are_shaped_on_their_way"),
    ("Provider.probe_model", r#""m""#, "tests/relay/pools.rs", "a_probe_finds_out_and_is_no_usage"),
    ("Provider.on_error", "[]", "tests/relay/pools.rs", "rules_say_what_an_error_calls_for"),
    ("Provider.quirks", r#"{"no_system_role": true}"#, "tests/relay/peculiar.rs", "a_preset_is_overruled"),
    ("Provider.timeouts", r#"{"connect_ms": 7}"#, "tests/relay/upstream_tls.rs", "a_handshake_that_stands_still_goes_to_the_next_key"),
    ("Provider.tls", r#"{"server_name": "x.example"}"#, "tests/relay/upstream_tls.rs", "a_server_name_is_asked_for_in_place_of_the_host"),
    ("Provider.disabled", "", "src/plan/route_test.rs", "names_become_targets"),
    ("Key.key", "", "tests/relay/access.rs", "the_upstream_gets_its_own_credential_only"),
    ("Key.name", r#""one""#, "tests/relay/health.rs", "a_key_at_rest_is_told"),
    ("Key.weight", "7", "tests/relay/pools.rs", "weights_are_shares"),
    ("Key.priority", "7", "src/plan/pool_test.rs", "tiers_follow_priority_and_weight_0_is_the_very_last"),
    ("Key.max_concurrent", "7", "tests/relay/pools.rs", "a_full_key_overflows_then_is_waited_for"),
    ("Key.queue", "7", "tests/relay/pools.rs", "who_came_first_is_served_first"),
    ("Key.queue_ms", "7", "tests/relay/pools.rs", "a_wait_has_an_end"),
    ("Key.proxy", r#""http://127.0.0.1:9""#, "tests/relay/proxies.rs", "a_key_has_its_proxy_and_lanes_are_never_mixed"),
    ("Key.models", r#"["m"]"#, "src/plan/pool_test.rs", "what_a_key_is_for_and_what_not_is_the_files"),
    ("Key.exclude_models", r#"["x"]"#, "src/plan/pool_test.rs", "what_a_key_is_for_and_what_not_is_the_files"),
    ("Key.headers", r#"{"x-a": "b"}"#, "tests/relay/families.rs", "headers_of_the_config_win"),
    ("Key.disabled", "true", "src/plan/pool_test.rs", "tiers_follow_priority_and_weight_0_is_the_very_last"),
    ("Model.name", r#""o""#, "src/plan/route_test.rs", "names_become_targets"),
    ("Model.alias", r#""o""#, "src/plan/route_test.rs", "names_become_targets"),
    ("Model.released", r#""2026-01-01""#, "src/plan/spread_test.rs", "the_latest_release_is_first_and_an_unknown_one_last"),
    ("Model.protocol", r#""anthropic""#, "tests/relay/routing.rs", "a_model_is_asked_in_its_own_protocol"),
    ("SystemPrompt.mode", r#""replace""#, "tests/relay/routing.rs", "bodies_are_shaped_on_their_way"),
    ("SystemPrompt.text", r#""u""#, "tests/relay/routing.rs", "bodies_are_shaped_on_their_way"),
    ("SystemPrompt.file", "", "src/config/payload.rs", "a_prompt_is_a_text_or_a_file"),
    ("SystemPrompt.replacements", "[]", "src/protocol/prompt_test.rs", "words_are_replaced_in_the_whole_of_it_and_nowhere_else"),
    ("Replacement.old", r#""c""#, "src/protocol/prompt_test.rs", "words_are_replaced_in_the_whole_of_it_and_nowhere_else"),
    ("Replacement.new", r#""c""#, "src/protocol/prompt_test.rs", "words_are_replaced_in_the_whole_of_it_and_nowhere_else"),
    ("PayloadRule.if", r#"{"model": "x"}"#, "src/plan/shape.rs", "every_condition_counts"),
    ("PayloadRule.default", r#"{"y": 1}"#, "src/plan/shape.rs", "every_change_changes"),
    ("PayloadRule.default_raw", r#"{"y": "1"}"#, "src/plan/shape.rs", "every_change_changes"),
    ("PayloadRule.override", r#"{"y": 1}"#, "src/plan/shape.rs", "every_change_changes"),
    ("PayloadRule.override_raw", r#"{"y": "1"}"#, "src/plan/shape.rs", "every_change_changes"),
    ("PayloadRule.filter", r#"["y"]"#, "src/plan/shape.rs", "every_change_changes"),
    ("PayloadConditions.model", r#""x""#, "src/plan/shape.rs", "every_condition_counts"),
    ("PayloadConditions.protocol", r#""chat""#, "src/plan/shape.rs", "every_condition_counts"),
    ("PayloadConditions.from", r#""chat""#, "src/plan/shape.rs", "every_condition_counts"),
    ("PayloadConditions.header", r#"{"x": "y"}"#, "src/plan/shape.rs", "every_condition_counts"),
    ("PayloadConditions.match", r#"{"x": "y"}"#, "src/plan/shape.rs", "every_condition_counts"),
    ("PayloadConditions.not_match", r#"{"x": "y"}"#, "src/plan/shape.rs", "every_condition_counts"),
    ("PayloadConditions.exist", r#"["x"]"#, "src/plan/shape.rs", "every_condition_counts"),
    ("PayloadConditions.not_exist", r#"["x"]"#, "src/plan/shape.rs", "every_condition_counts"),
    ("ErrorRule.status", "[401]", "tests/relay/pools.rs", "rules_say_what_an_error_calls_for"),
    ("ErrorRule.text", r#"["x"]"#, "tests/relay/pools.rs", "rules_say_what_an_error_calls_for"),
    ("ErrorRule.then", r#""stop""#, "tests/relay/pools.rs", "rules_say_what_an_error_calls_for"),
    ("ErrorRule.cool_ms", "9", "tests/relay/pools.rs", "rules_say_what_an_error_calls_for"),
    ("ErrorRule.cool", r#""key""#, "src/plan/retry.rs", "rules_of_the_file_come_before_the_table"),
    ("Quirks.output_tokens_name", r#""max_tokens""#, "tests/relay/peculiar.rs", "the_bound_is_named_as_the_provider_wants"),
    ("Quirks.replays_reasoning", "true", "src/protocol/chat/request_out_test.rs", "conversion_19_47_49_reasoning_goes_back_where_it_is_wanted"),
    ("Quirks.developer_role", "true", "tests/relay/peculiar.rs", "conversion_24_a_developer_is_a_system"),
    ("Quirks.leading_system_only", "true", "tests/relay/peculiar.rs", "conversion_48_instructions_stand_in_front"),
    ("Quirks.no_system_role", "true", "tests/relay/peculiar.rs", "conversion_48_instructions_stand_in_front"),
    ("Quirks.tool_choice_auto_only", "true", "tests/relay/peculiar.rs", "conversion_66_no_tool_is_forced"),
    ("Quirks.json_schema_tools", "true", "src/protocol/gemini/request_out_test.rs", "conversion_32_a_provider_may_take_json_schema_whole"),
    ("Quirks.no_stream_options", "true", "tests/relay/peculiar.rs", "options_are_left_out_where_nobody_knows_them"),
    ("UpstreamTimeouts.connect_ms", "7", "tests/relay/upstream_tls.rs", "a_handshake_that_stands_still_goes_to_the_next_key"),
    ("UpstreamTimeouts.answer_ms", "7", "tests/relay/fallback.rs", "a_silent_upstream_is_left"),
    ("UpstreamTimeouts.first_token_ms", "7", "tests/relay/fallback.rs", "a_silent_upstream_is_left"),
    ("UpstreamTimeouts.first_token_ms_per_mib", "7", "tests/relay/pools.rs", "a_large_request_has_longer_for_its_first_token"),
    ("UpstreamTimeouts.stream_idle_ms", "7", "tests/relay/streams.rs", "a_silent_stream_is_ended"),
    ("ClientTls.ca", "", "tests/relay/upstream_tls.rs", "answers_and_streams_come_over_tls"),
    ("ClientTls.server_name", r#""x.example""#, "tests/relay/upstream_tls.rs", "a_server_name_is_asked_for_in_place_of_the_host"),
    ("Route.to", r#"["q"]"#, "tests/relay/fallback.rs", "the_next_target_is_tried"),
    ("Route.models", "{}", "src/plan/route_test.rs", "names_become_targets"),
    ("Route.rules", "[]", "tests/relay/routing.rs", "rules_choose_by_header_and_member"),
    ("Route.scenes", "{}", "tests/relay/routing.rs", "scenes_choose_by_what_a_request_is_about"),
    ("Route.long_context_tokens", "7", "tests/relay/routing.rs", "long_requests_are_counted_in_tokens"),
    ("Route.background_models", r#"["x"]"#, "src/plan/meet.rs", "a_small_model_is_one_of_the_background"),
    ("Route.spread", r#""latest""#, "tests/relay/routing.rs", "lists_take_turns"),
    ("Route.unknown_models", r#""catalog""#, "tests/relay/routing.rs", "an_unknown_model_is_told_with_its_nearest"),
    ("Route.system_prompt", r#"{"text": "u"}"#, "tests/relay/routing.rs", "bodies_are_shaped_on_their_way"),
    ("Route.payload", r#"[{"filter": ["x"]}]"#, "tests/relay/routing.rs", "bodies_are_shaped_on_their_way"),
    ("RouteRule.if", r#"{"model": "y"}"#, "tests/relay/routing.rs", "rules_choose_by_header_and_member"),
    ("RouteRule.to", r#""q""#, "tests/relay/routing.rs", "rules_choose_by_header_and_member"),
    ("Conditions.header", r#"{"x": "y"}"#, "tests/relay/routing.rs", "rules_choose_by_header_and_member"),
    ("Conditions.member", r#"{"x": "y"}"#, "tests/relay/routing.rs", "rules_choose_by_header_and_member"),
    ("Conditions.model", r#""y""#, "src/plan/route_test.rs", "rules_come_before_the_map_and_after_providers_in_the_name"),
    ("Scenes.longContext", r#""q""#, "tests/relay/routing.rs", "long_requests_are_counted_in_tokens"),
    ("Scenes.background", r#""q""#, "tests/relay/routing.rs", "scenes_choose_by_what_a_request_is_about"),
    ("Scenes.webSearch", r#""q""#, "tests/relay/routing.rs", "scenes_choose_by_what_a_request_is_about"),
    ("Scenes.think", r#""q""#, "tests/relay/routing.rs", "scenes_choose_by_what_a_request_is_about"),
    ("Scenes.image", r#""q""#, "tests/relay/routing.rs", "scenes_choose_by_what_a_request_is_about"),
    ("Scenes.default", r#""q""#, "tests/relay/routing.rs", "scenes_choose_by_what_a_request_is_about"),
    ("DefaultRoutes.anthropic", r#""s""#, "src/plan/route_test.rs", "each_dialect_has_its_default_route"),
    ("DefaultRoutes.responses", r#""s""#, "src/plan/route_test.rs", "each_dialect_has_its_default_route"),
    ("DefaultRoutes.chat", r#""s""#, "src/plan/route_test.rs", "each_dialect_has_its_default_route"),
    ("DefaultRoutes.gemini", r#""s""#, "src/plan/route_test.rs", "each_dialect_has_its_default_route"),
    ("DefaultRoutes.ollama", r#""s""#, "src/plan/route_test.rs", "each_dialect_has_its_default_route"),
    ("Price.per", r#""1K""#, "src/config/prices.rs", "the_file_comes_before_what_is_shipped"),
    ("Price.input", "7", "src/config/prices.rs", "the_file_comes_before_what_is_shipped"),
    ("Price.output", "7", "src/config/prices.rs", "the_file_comes_before_what_is_shipped"),
    ("Price.cache_read", "7", "src/config/prices.rs", "the_file_comes_before_what_is_shipped"),
    ("Price.cache_write", "7", "src/config/prices.rs", "the_file_comes_before_what_is_shipped"),
    ("Probes.every_s", "77", "tests/relay/pools.rs", "probes_come_by_themselves_at_the_start"),
    ("Probes.at_start", "true", "tests/relay/pools.rs", "probes_come_by_themselves_at_the_start"),
    ("Probes.providers", r#"["p"]"#, "tests/relay/pools.rs", "probes_come_by_themselves_at_the_start"),
    ("Retry.attempts_max", "7", "tests/relay/fallback.rs", "attempts_have_an_end"),
    ("Retry.rounds_max", "7", "src/plan/retry.rs", "rounds_and_their_waits_are_bounded"),
    ("Retry.round_wait_ms_max", "7", "src/plan/retry.rs", "rounds_and_their_waits_are_bounded"),
    ("Retry.hedge_ms", "7", "tests/relay/hedging.rs", "a_second_attempt_crosses_protocols"),
    ("Retry.on_error", r#"[{"then": "stop"}]"#, "tests/relay/pools.rs", "rules_say_what_an_error_calls_for"),
    ("Cooldown.rate_limited_ms", "7", "tests/relay/promises.rs", "promise_17_a_key_in_trouble_rests"),
    ("Cooldown.server_error_ms", "7", "tests/relay/promises.rs", "promise_17_a_key_in_trouble_rests"),
    ("Cooldown.rejected_key_ms", "7", "src/plan/breaker_test.rs", "rate_limits_and_rejections_rest_it_at_once"),
    ("Cooldown.max_ms", "1900000", "src/plan/breaker_test.rs", "rests_double_up_to_the_longest"),
    ("Cooldown.failures", "7", "src/plan/breaker_test.rs", "failures_in_a_row_rest_it_and_a_success_clears_them"),
    ("Timeouts.head_ms", "7", "tests/relay/limits.rs", "a_dripping_head_is_ended"),
    ("Timeouts.body_ms", "7", "tests/relay/limits.rs", "a_silent_body_is_ended"),
    ("Timeouts.keep_alive_ms", "7", "tests/relay/limits.rs", "an_idle_connection_is_ended"),
    ("Timeouts.client_stall_ms", "7", "tests/relay/leaving.rs", "a_stalled_client_is_ended"),
    ("Timeouts.connect_ms", "7", "tests/relay/upstream_tls.rs", "a_handshake_that_stands_still_goes_to_the_next_key"),
    ("Timeouts.answer_ms", "7", "tests/relay/fallback.rs", "a_silent_upstream_is_left"),
    ("Timeouts.first_token_ms", "7", "tests/relay/fallback.rs", "a_silent_upstream_is_left"),
    ("Timeouts.first_token_ms_per_mib", "7", "tests/relay/pools.rs", "a_large_request_has_longer_for_its_first_token"),
    ("Timeouts.stream_idle_ms", "7", "tests/relay/streams.rs", "a_silent_stream_is_ended"),
    ("Timeouts.drain_ms", "7", "tests/relay/life.rs", "the_drain_has_a_deadline"),
    ("Timeouts.ping_ms", "7", "tests/relay/streams.rs", "a_quiet_stream_is_kept_alive"),
    ("Limits.body_bytes", "1048577", "tests/relay/limits.rs", "the_bound_of_a_body"),
    ("Limits.head_bytes", "20000", "tests/relay/limits.rs", "the_bound_of_a_head"),
    ("Limits.connections", "7", "tests/relay/limits.rs", "the_bound_of_connections"),
    ("Usage.keep_days", "7", "src/control/store/store_test.rs", "old_rows_go_in_steps_and_sums_by_their_grain"),
    ("Traces.bodies", r#""all""#, "tests/relay/store.rs", "traces_of_errors_alone"),
    ("Traces.sample", "0.5", "tests/relay/store.rs", "traces_of_chosen_clients_and_routes_and_of_a_share"),
    ("Traces.clients", r#"["c"]"#, "tests/relay/store.rs", "traces_of_chosen_clients_and_routes_and_of_a_share"),
    ("Traces.routes", r#"["r"]"#, "tests/relay/store.rs", "traces_of_chosen_clients_and_routes_and_of_a_share"),
    ("Traces.keep_days", "8", "src/control/traces.rs", "nothing_is_kept_for_longer_than_it_may_be"),
    ("Traces.bytes_max", "7777777", "src/control/traces.rs", "no_more_bytes_are_kept_than_may_be"),
    ("Otlp.endpoint", r#""http://127.0.0.1:4319""#, "tests/relay/store.rs", "exchanges_are_told_as_spans"),
    ("Otlp.headers", r#"{"x": "y"}"#, "tests/relay/store.rs", "exchanges_are_told_as_spans"),
    ("Log.format", r#""json""#, "src/control/log_test.rs", "a_line_of_json"),
    ("Log.level", r#""warn""#, "src/control/log_test.rs", "graver_levels_hide_what_went_well"),
];

/// Every member of every type of the schema, as `Type.member`.
fn members() -> BTreeSet<String> {
    let schema = super::schema::value();
    let types = schema["$defs"].as_object().expect("types").iter().map(|(name, of)| (name.as_str(), of));
    let all = types.chain([("File", schema)]).filter_map(|(name, of)| Some((name, of.get("properties")?.as_object()?)));
    all.flat_map(|(name, members)| members.keys().map(move |member| format!("{name}.{member}"))).collect()
}

#[test]
fn every_setting_has_a_test_of_its_effect() {
    let told: BTreeSet<String> = EFFECTS.iter().map(|(setting, ..)| (*setting).to_owned()).collect();
    assert_eq!(told.len(), EFFECTS.len(), "a setting stands twice in the table");
    let missing: Vec<String> = members().difference(&told).cloned().collect();
    assert!(missing.is_empty(), "without a test of their effect: {missing:?}");
    let unknown: Vec<_> = told.difference(&members()).cloned().collect();
    assert!(unknown.is_empty(), "no settings: {unknown:?}");
    let mut texts: BTreeMap<&str, String> = BTreeMap::new();
    for (setting, _, file, test) in EFFECTS {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let text = texts.entry(file).or_insert_with(|| {
            std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("{setting}: there is no {file}"))
        });
        let is_there = text.contains(&format!("fn {test}(driver: Driver)"))
            || text
                .split_once(&format!("fn {test}()"))
                .is_some_and(|(before, _)| before.trim_end().ends_with("#[test]"));
        assert!(is_there, "{setting}: there is no test {test} in {file}");
    }
}

#[test]
fn every_setting_changes_what_the_file_means() {
    let base: Value = serde_json::from_str(BASE).expect("JSON");
    let meant = |file: &Value| {
        let reading = reading(&file.to_string());
        let snapshot = reading.snapshot.unwrap_or_else(|| panic!("{:#?}", reading.problems));
        let said = format!("{snapshot:?}");
        // Tables over the rest follow, with hashes that are others each time.
        said.split_once(", lookup: ").expect("the last member").0.to_owned()
    };
    let before = meant(&base);
    for (setting, value, ..) in EFFECTS.iter().filter(|(_, value, ..)| !value.is_empty()) {
        let (of, member) = setting.split_once('.').expect("a type and its member");
        let place = PLACES.iter().find(|(name, _)| *name == of).unwrap_or_else(|| panic!("{of} has no place")).1;
        let mut file = base.clone();
        let part = file.pointer_mut(place).and_then(Value::as_object_mut).unwrap_or_else(|| panic!("{place}"));
        part.insert(member.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| json!(value)));
        assert_ne!(meant(&file), before, "{setting} means nothing");
    }
}

#[test]
fn every_setting_is_written_about() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: std::path::PathBuf| std::fs::read_to_string(path).expect("text");
    let pages = std::fs::read_dir(root.join("docs")).expect("docs").map(|page| read(page.expect("a page").path()));
    let written: String = pages.chain(["README.md", "config.example.json"].map(|name| read(root.join(name)))).collect();
    let words: BTreeSet<&str> = written.split(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '$')).collect();
    let silent: Vec<String> = members()
        .into_iter()
        .filter(|member| !words.contains(member.split('.').next_back().unwrap_or_default()))
        .collect();
    assert!(silent.is_empty(), "neither README nor docs say a word about {silent:?}");
}
