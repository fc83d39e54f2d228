//! What a change means.
//!
//! This package decides everything and touches nothing: it reads no clock, draws no random
//! number, opens no file and never waits. `step::step` is a function of the plan, the state and
//! the inputs; every other module serves it. Nothing here fails: bad data becomes a verdict.

mod answer;
pub(crate) mod audit;
pub mod chance;
pub mod change;
pub mod commit;
pub mod decimal;
pub(crate) mod echo;
pub mod error;
pub mod expr;
pub mod footprint;
pub mod garble;
pub mod group;
pub mod guard;
pub mod index;
pub mod label;
pub mod lens;
pub mod matching;
pub(crate) mod merge;
pub mod moved;
pub mod mutant;
pub mod name;
pub mod need;
pub mod plan;
pub mod policy;
pub mod step;
pub mod tally;
pub mod validate;
pub mod value;

pub use smol_str::SmolStr as Text;
