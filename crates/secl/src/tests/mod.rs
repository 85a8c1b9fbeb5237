//! Every fact of the cases as a row, by section, over a neutral model; and properties over random rules and events.

mod agreement;
mod bombs;
mod cases;
mod described;
mod filters;
mod lists;
mod neutral;
mod oracle;
mod patterns;
mod random;
mod rows;
mod soundness;
mod value_types;
mod weights;
