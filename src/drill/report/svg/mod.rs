//! Plots, drawn by hand as SVG without library or script.
//!
//! Invariants:
//!
//! 1. A plot uses classes of the page's style sheet ([`STYLE`]) and patterns of the page ([`patterns`]); text is
//!    in both languages, of which the page shows one.
//! 2. Colours are safe for the colour-blind, and every state is told apart by hatching or shape, too.
//! 3. Every axis has round ticks and units. What cannot be drawn readably (too many events, links, decisions) is
//!    gathered, never overlapped.

mod area;
mod axis;
mod bars;
mod canvas;
mod disputes;
mod groups;
mod lanes;
mod links;
mod overlay;
mod palette;
mod reunions;
mod staleness;

pub(super) use area::availability;
pub(in crate::drill::report) use canvas::{ems, esc};
pub(super) use disputes::disputes;
pub(super) use groups::groups;
pub(super) use lanes::{EVENTS_MAX, lanes, shown_members};
pub(super) use links::{LINKS_DRAWN, links};
pub(super) use overlay::{SERIES_MAX, figures, overlay};
pub(super) use palette::{STYLE, Swatch, legend, patterns, states};
pub(super) use reunions::reunions;
pub(super) use staleness::{histogram, scatter};
