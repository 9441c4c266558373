//! Pure: what should be, out of one snapshot of what is.
