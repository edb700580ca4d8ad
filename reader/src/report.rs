//! The answer of `haltbox diff` as people read it: on a terminal ([`text`]) and
//! as a page ([`html`]).

pub mod html;
pub mod text;
mod timeline;
