//! The contract, from the outside: golden documents, and properties of arbitrary ones.

#[cfg(test)]
mod build;
#[cfg(test)]
mod check;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod made;
#[cfg(test)]
mod property;
