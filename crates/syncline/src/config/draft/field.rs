//! What the file says of a field.

use syncline_core::label::Label;

use crate::config::draft::{CellDraft, Conflicts, Name, Spanned};

/// A field.
#[derive(Clone, Debug)]
pub(crate) struct FieldDraft {
    /// Its name.
    pub(crate) name: Name,
    /// Its type, if said.
    pub(crate) kind: Option<Name>,
    /// For an enumeration.
    pub(crate) values: Option<Vec<Name>>,
    /// For money.
    pub(crate) currency: Option<Name>,
    /// For telephone numbers.
    pub(crate) region: Option<Name>,
    /// What becomes of its values.
    pub(crate) sensitive: Sensitive,
    /// The entity it refers to.
    pub(crate) reference: Option<Name>,
    /// Systems whose edits count.
    pub(crate) from: Option<Vec<Name>>,
    /// Systems that are written.
    pub(crate) to: Option<Vec<Name>>,
    /// An expression.
    pub(crate) compute: Option<Name>,
    /// Who wins.
    pub(crate) conflicts: Option<Spanned<Conflicts>>,
    /// Its cells.
    pub(crate) cells: Vec<CellDraft>,
}

/// How careful one is with the values of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Sensitive {
    /// Anybody may see them.
    #[default]
    Open,
    /// People see a hint.
    Mask,
    /// The same, and the hub keeps them sealed.
    Encrypt,
    /// Nobody but the systems has them: everybody else has keyed hashes, to find rows by.
    Hash,
}

impl FieldDraft {
    /// How much of its values people may see.
    pub(crate) const fn label(&self) -> Label {
        match self.sensitive {
            Sensitive::Open => Label::Open,
            Sensitive::Mask | Sensitive::Encrypt | Sensitive::Hash => Label::Mask,
        }
    }

    /// A field of this name that lives nowhere.
    pub(crate) fn nowhere(name: Name) -> Self {
        Self {
            name,
            kind: None,
            values: None,
            currency: None,
            region: None,
            sensitive: Sensitive::Open,
            reference: None,
            from: None,
            to: None,
            compute: None,
            conflicts: None,
            cells: Vec::new(),
        }
    }
}
