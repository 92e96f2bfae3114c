//! What the writer writes.

use super::*;

#[test]
fn commas_stand_between_and_nowhere_else() {
    let mut out = b"data: ".to_vec();
    let mut json = Writer::new(&mut out);
    json.begin_object().key("a").begin_array().u64(1).string("x\"y").begin_object().end().end();
    json.key("b").null().key("c").begin_object().key("d").bool(true).end().end();
    assert_eq!(String::from_utf8(out).unwrap(), r#"data: {"a":[1,"x\"y",{}],"b":null,"c":{"d":true}}"#);
}
