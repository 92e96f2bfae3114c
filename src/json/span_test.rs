//! Reading values in place.

use super::*;

#[test]
fn comparison_sees_through_escapes() {
    let text = br#""mod\u0065l\n""#;
    let said = Raw::parse(text).unwrap().as_str().unwrap();
    assert!(said.eq_str("model\n"));
    for other in ["", "model", "model\nx", "modal\n"] {
        assert!(!said.eq_str(other), "{other}");
    }
    assert_eq!(said.decode(), "model\n");
}
