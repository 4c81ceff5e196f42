//! The fields of an optimiser, for file formats.

use crate::Error;
use crate::error::check_len;

/// A hyper-parameter, or a vector of the optimiser's state.
pub(crate) enum Field<'a, A> {
    Number(f64),
    Flag(bool),
    Count(u64),
    State(&'a [A]),
}

/// A [`Field`] to fill.
pub(crate) enum FieldMut<'a, A> {
    Number(&'a mut f64),
    Flag(&'a mut bool),
    Count(&'a mut u64),
    State(&'a mut Vec<A>),
}

/// An optimiser that lists its fields. [`fields!`] generates all methods except the last.
pub(crate) trait Fields<A> {
    /// The optimiser's name in files.
    fn kind(&self) -> &'static str;
    /// The names of the fields, in the order of [`fields`](Self::fields).
    fn names(&self) -> &'static [&'static str];
    fn fields(&self) -> Vec<Field<'_, A>>;
    fn fields_mut(&mut self) -> Vec<FieldMut<'_, A>>;
    /// Rejects a state that cannot result from steps over `n` parameters.
    fn check_state(&self, n: usize) -> Result<(), Error>;
}

/// `fields! { "sgd", Number: learning_rate, momentum; State: velocity }` generates the methods of [`Fields`].
macro_rules! fields {
    ($kind:expr, $($variant:ident: $($name:ident),+);+) => {
        fn kind(&self) -> &'static str {
            $kind
        }
        fn names(&self) -> &'static [&'static str] {
            &[$($(stringify!($name)),+),+]
        }
        fn fields(&self) -> Vec<Field<'_, A>> {
            let Self { $($($name),+),+, .. } = self;
            vec![$($(Field::$variant(fields!(@value $variant $name))),+),+]
        }
        fn fields_mut(&mut self) -> Vec<FieldMut<'_, A>> {
            vec![$($(FieldMut::$variant(&mut self.$name)),+),+]
        }
    };
    (@value State $name:ident) => { $name };
    (@value $variant:ident $name:ident) => { *$name };
}
pub(super) use fields;

/// Checks that `state.len() == n` or `state` is empty.
pub(super) fn check_len_or_empty<A>(name: &'static str, state: &[A], n: usize) -> Result<(), Error> {
    if state.is_empty() { Ok(()) } else { check_len(name, state, &[], n) }
}
