//! Answers as people and programs read them. What `haltbox diff` found is put into words here
//! and nowhere else ([`summary`], [`remarks`], `requests`), and laid out as JSON
//! ([`diff_document`]), on a terminal ([`text`]) and as a page ([`html`]); what `haltbox report`
//! found as text and page ([`incident`]).

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
