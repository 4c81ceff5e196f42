//! This crate's part of a file's metadata: the keys that begin with `elman.`.

use std::any::type_name;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use super::Error;
use super::error::abridged;

pub(super) const PREFIX: &str = "elman.";

/// Values by key, without the prefix. Reading removes a value, so the rest are unknown keys.
#[derive(Debug, Clone, Default)]
pub(super) struct Notes(BTreeMap<String, String>);

impl Notes {
    /// Splits metadata into this crate's part and the caller's.
    pub(super) fn among(metadata: &BTreeMap<String, String>) -> (Self, BTreeMap<String, String>) {
        let (mut notes, mut others) = (Notes::default(), BTreeMap::new());
        for (key, value) in metadata {
            match key.strip_prefix(PREFIX) {
                Some(key) => notes.insert(key, value),
                None => drop(others.insert(key.clone(), value.clone())),
            }
        }
        (notes, others)
    }

    /// Joins this crate's part and the caller's.
    pub(super) fn beside(self, others: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Error> {
        if let Some(key) = others.keys().find(|key| key.starts_with(PREFIX)) {
            return Err(Error::Metadata {
                key: abridged(key),
                expected: format!("one that does not begin with `{PREFIX}`"),
                found: "reserved for this crate".into(),
            });
        }
        let own = self.0.into_iter().map(|(key, value)| (format!("{PREFIX}{key}"), value));
        Ok(own.chain(others.clone()).collect())
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(super) fn contains(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    pub(super) fn insert(&mut self, key: &str, value: impl Display) {
        self.0.insert(key.into(), value.to_string());
    }

    pub(super) fn take(&mut self, key: &str, expected: &str) -> Result<String, Error> {
        self.0.remove(key).ok_or_else(|| refused(key, expected, None))
    }

    /// Removes a value, which must be `expected`.
    pub(super) fn expect(&mut self, key: &str, expected: &str) -> Result<(), Error> {
        let quoted = format!("`{expected}`");
        let found = self.take(key, &quoted)?;
        if found == expected { Ok(()) } else { Err(refused(key, &quoted, Some(&found))) }
    }

    /// Removes a value and parses it as a number or as `true` or `false`.
    pub(super) fn parse<T: FromStr>(&mut self, key: &str) -> Result<T, Error> {
        let expected = format!("a value of type {}", type_name::<T>());
        let found = self.take(key, &expected)?;
        found.parse().map_err(|_| refused(key, &expected, Some(&found)))
    }

    /// Refuses the remaining keys, where there are any.
    pub(super) fn finish(self) -> Result<(), Error> {
        match self.0.first_key_value() {
            Some((key, value)) => Err(refused(key, "no such key", Some(value))),
            None => Ok(()),
        }
    }
}

/// Makes the error for a key of this crate.
pub(super) fn refused(key: &str, expected: &str, found: Option<&str>) -> Error {
    let found = found.map_or_else(|| "missing".into(), |found| format!("`{}`", abridged(found)));
    Error::Metadata { key: format!("{PREFIX}{}", abridged(key)), expected: expected.into(), found }
}
