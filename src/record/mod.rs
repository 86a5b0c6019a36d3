//! What is asserted of a patient: statements, sections, merge rules, views.
