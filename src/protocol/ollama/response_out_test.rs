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
    let opening =
        Opening { id: "7".into(), model: "alias".into(), created_unix_s: 1_767_323_045, ..Opening::default() };
    let tools = told(include_str!("../../../tests/golden/ollama/answer_tools.json"), &opening);
    assert_eq!(tools, include_str!("../../../tests/golden/ollama/written_answer.json").trim_end());
    let opening = Opening { plain_completion: true, ..opening };
    let generate = told(include_str!("../../../tests/golden/ollama/answer_generate.json"), &opening);
    assert!(
        generate.contains(r#","response":"A happy cartoon.","thinking":"I see.","done":true,"done_reason":"length","#)
    );
}
