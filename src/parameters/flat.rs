use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::layout::Aligned;

/// The values of all parameters in one buffer, and their version.
///
/// Each mutable access renews the version. Weights that were packed from a version need not be packed again while it lasts.
/// It is not part of equality.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flat<A> {
    values: Aligned<A>,
    version: Version,
}

/// A number that no other contents of any buffer have. A clone of a buffer has the same contents, and the same version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Version(u64);

impl Version {
    fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Version(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl<A> Flat<A> {
    pub(crate) fn version(&self) -> Version {
        self.version
    }
}

impl<A: Clone + Default> Flat<A> {
    /// `length` zeros.
    pub(crate) fn zeros(length: usize) -> Self {
        Flat { values: Aligned::new(length), version: Version::next() }
    }
}

impl<A: Clone> FromIterator<A> for Flat<A> {
    fn from_iter<I: IntoIterator<Item = A>>(values: I) -> Self {
        Flat { values: values.into_iter().collect(), version: Version::next() }
    }
}

impl<A> Deref for Flat<A> {
    type Target = [A];

    fn deref(&self) -> &[A] {
        &self.values
    }
}

impl<A> DerefMut for Flat<A> {
    fn deref_mut(&mut self) -> &mut [A] {
        self.version = Version::next();
        &mut self.values
    }
}

impl<A: PartialEq> PartialEq for Flat<A> {
    fn eq(&self, other: &Self) -> bool {
        self.values == other.values
    }
}
