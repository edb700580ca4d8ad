//! Results as people and programs read them. Only this module puts the findings of `haltbox
//! diff` into words ([`summary`], [`remarks`], `requests`). It prints them as JSON
//! ([`diff_document`]), on a terminal ([`text`]) and as a page ([`html`]), and the findings of
//! `haltbox report` as text and page ([`incident`]).

pub mod checks;
pub mod diff_document;
pub mod html;
pub mod incident;
pub mod page;
pub mod remarks;
mod requests;
pub mod summary;
pub mod text;
mod timeline;
