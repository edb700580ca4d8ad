//! Answers as people read them: that of `haltbox diff` on a terminal ([`text`]) and as a
//! page ([`html`]), that of `haltbox report` as both ([`incident`]).

pub mod checks;
pub mod html;
pub mod incident;
pub mod text;
mod timeline;
