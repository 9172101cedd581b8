//! The documented API families, one folder each; one operation is one file.

pub(crate) mod v1;
