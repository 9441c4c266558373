//! How the administrator wants the program attached.

/// What the administrator wants for an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttachPolicy {
    /// The best that works, step by step down the ladder.
    #[default]
    Auto,
    /// Only this mode; a failure is reported, not stepped over.
    Native,
    /// Only this mode.
    Tcx,
    /// Only this mode.
    Generic,
    /// Only this mode.
    User,
}
