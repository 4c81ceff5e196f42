//! Whole files: read within bounds, replaced in one go.
