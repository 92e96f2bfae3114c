use super::*;
use crate::protocol::ir::assemble::Assembler;
use crate::protocol::ollama::stream_in;

/// The golden answer `body` as it is told to a client of Ollama again.
fn told(body: &str, opening: &Opening) -> String {
    let mut assembler = Assembler::new(1 << 20);
    stream_in::whole(body.as_bytes(), &mut |event| assembler.event(&event).expect("it is small")).expect("an answer");
    let answer = assembler.finish().expect("it ends").expect("it is whole");
    let mut out = Vec::new();
    response(&answer, opening, &mut out);
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn conversion_53_an_answer_is_one_object() {
    let opening = Opening { id: "7".into(), model: "alias".into(), ..Opening::default() };
    let tools = told(include_str!("../../../tests/golden/ollama/answer_tools.json"), &opening);
    assert_eq!(
        tools,
        concat!(
            r#"{"model":"alias","created_at":"1970-01-01T00:00:00Z","message":{"role":"assistant","content":"Let me see.","thinking":"Two calls.","#,
            r#""tool_calls":[{"id":"call_7_0","function":{"index":0,"name":"get_weather","arguments":{"city":"Toronto","days":1.50}}},"#,
            r#"{"id":"call_x","function":{"index":1,"name":"now","arguments":{}}}]},"done":true,"done_reason":"stop","#,
            r#""total_duration":0,"load_duration":0,"prompt_eval_duration":0,"eval_duration":0,"#,
            r#""prompt_eval_count":169,"prompt_eval_cached_count":100,"eval_count":15}"#
        )
    );
    let opening = Opening { plain_completion: true, ..opening };
    let generate = told(include_str!("../../../tests/golden/ollama/answer_generate.json"), &opening);
    assert!(
        generate.contains(r#","response":"A happy cartoon.","thinking":"I see.","done":true,"done_reason":"length","#)
    );
}
