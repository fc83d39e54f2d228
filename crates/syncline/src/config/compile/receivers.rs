//! Which systems a field is written to.

use syncline_core::name::SystemIndex;

use crate::config::{
    compile::{Compiler, Kin},
    draft::{FieldDraft, Name},
};

impl Compiler<'_> {
    /// The systems that receive this field; `None`: all that have a cell. A column that its system
    /// computes is never written, not even with a row that is created anew.
    pub(super) fn receivers(&self, kin: Kin<'_>, field: &FieldDraft) -> Option<Vec<SystemIndex>> {
        let said = field.to.as_deref().or(kin.root().to.as_deref());
        if said.is_some() {
            return self.system_indices(said);
        }
        let computes = |name: &Name| {
            let cell = field.cell(&name.value)?;
            let binding = kin.entity.binding(&name.value)?;
            let mut columns =
                cell.columns.iter().filter_map(|column| self.column(binding, &column.value));
            Some(columns.any(|column| column.is_generated))
        };
        let sources = kin.sources(field)?;
        if !matches!(sources, [only] if computes(only) == Some(true)) {
            return None;
        }
        let others = field.cells.iter().map(|cell| &cell.system);
        let others: Vec<Name> = others
            .filter(|name| sources.iter().all(|source| source.value != name.value))
            .cloned()
            .collect();
        self.system_indices(Some(&others))
    }
}
