//! Pure decisions: which targets, which key.
