//! Named arrays: the common representation of formats and frameworks.

use std::cmp::Reverse;
use std::collections::{BTreeMap, btree_map};

use ndarray::{Array, ArrayD, ArrayView, ArrayView1, ArrayView2, ArrayViewD, Dimension, Ix1, Ix2};

use super::Error;
use super::error::abridged;
use super::notes::{PREFIX, refused};
use crate::scalar::type_name;
use crate::{Activation, Parameters, Scalar};

/// Named arrays of one element type, and the metadata of a file.
///
/// A file may also hold tensors of other types. They are listed, and [`get`](Self::get) refuses them by name.
///
/// # Examples
///
/// ```
/// use elman::io::Tensors;
/// use elman::{Dims, Parameters};
///
/// let p = Parameters::<f32>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
/// let mut tensors = Tensors::from(&p);
/// assert_eq!(tensors.get("wax")?.shape(), [5, 3]);
/// assert_eq!(Parameters::try_from(&tensors)?, p);
///
/// tensors.remove("by");
/// let error = Parameters::try_from(&tensors).unwrap_err();
/// assert_eq!(error.to_string(), "there is no tensor `by`: there are `ba`, `waa`, `wax`, `wya`");
/// # Ok::<(), elman::io::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Tensors<A> {
    entries: BTreeMap<String, Entry<A>>,
    metadata: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq)]
enum Entry<A> {
    Array(ArrayD<A>),
    /// A tensor of another element type than `A`: only the file's name of the type, and the shape.
    Other {
        element_type: String,
        shape: Vec<usize>,
    },
}

impl<A> Default for Tensors<A> {
    fn default() -> Self {
        Tensors { entries: BTreeMap::new(), metadata: BTreeMap::new() }
    }
}

impl<A> Tensors<A> {
    /// Makes a set without tensors and without metadata.
    #[must_use]
    pub fn new() -> Self {
        Tensors::default()
    }

    /// Returns the number of tensors, including those of other element types.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether there is no tensor.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the names of all tensors in ascending order, including those of other element types.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Returns whether there is a tensor of this name, of any type.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// Returns the shape of a tensor of any type.
    #[must_use]
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.entries.get(name).map(|entry| match entry {
            Entry::Array(array) => array.shape(),
            Entry::Other { shape, .. } => shape,
        })
    }

    /// Returns the arrays of this element type, in ascending order of their names.
    pub fn arrays(&self) -> impl Iterator<Item = (&str, ArrayViewD<'_, A>)> {
        self.entries.iter().filter_map(|(name, entry)| match entry {
            Entry::Array(array) => Some((name.as_str(), array.view())),
            Entry::Other { .. } => None,
        })
    }

    /// Inserts an array under this name. It replaces a tensor of the same name.
    pub fn insert<D: Dimension>(&mut self, name: impl Into<String>, array: Array<A, D>) {
        self.entries.insert(name.into(), Entry::Array(array.into_dyn()));
    }

    /// Removes a tensor, and returns whether it existed.
    pub fn remove(&mut self, name: &str) -> bool {
        self.entries.remove(name).is_some()
    }

    /// Moves the tensors and the metadata of `other` into this set. They replace those of the same name.
    ///
    /// # Examples
    ///
    /// ```
    /// use elman::io::Tensors;
    /// use ndarray::array;
    ///
    /// let mut tensors: Tensors<f64> = [("x", array![1.0])].into_iter().collect();
    /// let other: Tensors<f64> = [("y", array![2.0])].into_iter().collect();
    /// tensors.merge(other);
    /// assert_eq!(tensors.names().collect::<Vec<_>>(), ["x", "y"]);
    /// ```
    pub fn merge(&mut self, other: Tensors<A>) {
        self.entries.extend(other.entries);
        self.metadata.extend(other.metadata);
    }

    /// Adds a prefix to every name and to every key of the metadata, so that several networks fit in one file.
    ///
    /// # Examples
    ///
    /// ```
    /// use elman::io::Tensors;
    /// use elman::{Dims, Parameters};
    ///
    /// let encoder = Parameters::<f32>::zeros(Dims { n_x: 3, n_a: 5, n_y: 0 });
    /// let decoder = Parameters::<f32>::zeros(Dims { n_x: 5, n_a: 7, n_y: 3 });
    /// let mut file = Tensors::from(&encoder).with_prefix("encoder.");
    /// file.merge(Tensors::from(&decoder).with_prefix("decoder."));
    /// assert_eq!(file.shape("decoder.wax"), Some(&[7, 5][..]));
    /// assert_eq!(Parameters::try_from(&file.under_prefix("encoder."))?, encoder);
    /// # Ok::<(), elman::io::Error>(())
    /// ```
    #[must_use]
    pub fn with_prefix(self, prefix: &str) -> Self {
        Tensors {
            entries: self.entries.into_iter().map(|(name, entry)| (format!("{prefix}{name}"), entry)).collect(),
            metadata: self.metadata.into_iter().map(|(key, value)| (format!("{prefix}{key}"), value)).collect(),
        }
    }

    /// Copies the tensors and the metadata whose names start with a prefix, without it.
    #[must_use]
    pub fn under_prefix(&self, prefix: &str) -> Self
    where
        A: Clone,
    {
        Tensors { entries: under_prefix(&self.entries, prefix), metadata: under_prefix(&self.metadata, prefix) }
    }

    /// Returns the metadata. Some formats cannot hold metadata.
    #[must_use]
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// Returns the metadata for writing.
    pub fn metadata_mut(&mut self) -> &mut BTreeMap<String, String> {
        &mut self.metadata
    }

    /// Lists a tensor of another element type.
    #[cfg_attr(
        not(any(feature = "safetensors", feature = "npz", feature = "onnx")),
        expect(dead_code, reason = "files hold others")
    )]
    pub(super) fn list(&mut self, name: String, element_type: String, shape: Vec<usize>) {
        self.entries.insert(name, Entry::Other { element_type, shape });
    }
}

impl<A: Scalar> Tensors<A> {
    /// Returns the array of this name.
    ///
    /// # Errors
    /// [`Error::Missing`] where there is no such tensor, and [`Error::ElementType`] where its elements are not of type `A`.
    pub fn get(&self, name: &str) -> Result<ArrayViewD<'_, A>, Error> {
        match self.entries.get(name) {
            Some(Entry::Array(array)) => Ok(array.view()),
            Some(Entry::Other { element_type, .. }) => {
                Err(Error::ElementType { tensor: name.into(), expected: type_name::<A>(), found: element_type.clone() })
            }
            None => Err(Error::Missing { tensor: name.into(), present: self.list_names(name) }),
        }
    }

    /// Returns the array of this name, with the number of axes of `D`.
    ///
    /// # Examples
    ///
    /// ```
    /// use elman::io::Tensors;
    /// use ndarray::{Ix2, array};
    ///
    /// let tensors: Tensors<f64> = [("x", array![[1.0, 2.0]])].into_iter().collect();
    /// assert_eq!(tensors.array::<Ix2>("x")?[[0, 1]], 2.0);
    /// # Ok::<(), elman::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`get`](Self::get), and [`Error::Shape`] where the array has another number of axes.
    pub fn array<D: Dimension>(&self, name: &str) -> Result<ArrayView<'_, A, D>, Error> {
        let expected = D::NDIM.map_or("another number of axes".into(), |axes| format!("{axes} axes"));
        self.ranked(name, &expected)
    }

    /// Returns the matrix of this name. `expected` names its axes.
    pub(super) fn matrix(&self, name: &str, expected: &str) -> Result<ArrayView<'_, A, Ix2>, Error> {
        self.ranked(name, expected)
    }

    /// Returns the vector of this name, which must have this length.
    pub(super) fn vector(&self, name: &str, length: usize) -> Result<ArrayView<'_, A, Ix1>, Error> {
        let expected = format!("[{length}]");
        let vector = self.ranked::<Ix1>(name, &expected)?;
        if vector.len() == length { Ok(vector) } else { Err(wrong_shape(name, expected, vector.shape())) }
    }

    fn ranked<D: Dimension>(&self, name: &str, expected: &str) -> Result<ArrayView<'_, A, D>, Error> {
        let array = self.get(name)?;
        let found = array.shape().to_vec();
        array.into_dimensionality().map_err(|_| wrong_shape(name, expected.into(), &found))
    }

    /// Lists the names for a message: all of them or, where there are many, the most similar to `missing`.
    fn list_names(&self, missing: &str) -> String {
        const SHOWN: usize = 6;
        let list =
            |names: &[&str]| names.iter().map(|name| format!("`{}`", abridged(name))).collect::<Vec<_>>().join(", ");
        let mut names: Vec<_> = self.names().collect();
        match names.len() {
            0 => return "there are no tensors".into(),
            n if n <= SHOWN => return format!("there are {}", list(&names)),
            _ => {}
        }
        names.sort_by_cached_key(|name| Reverse(similarity(name, missing)));
        format!("the most similar of {} names are {}", names.len(), list(&names[..SHOWN]))
    }
}

/// The values whose keys start with a prefix, by the rest of their keys.
fn under_prefix<T: Clone>(map: &BTreeMap<String, T>, prefix: &str) -> BTreeMap<String, T> {
    let rest = map.iter().filter_map(|(key, value)| Some((key.strip_prefix(prefix)?.to_owned(), value.clone())));
    rest.collect()
}

/// Collects arrays by name. Of two arrays with the same name, the later one stays.
impl<A, K: Into<String>, D: Dimension> FromIterator<(K, Array<A, D>)> for Tensors<A> {
    fn from_iter<I: IntoIterator<Item = (K, Array<A, D>)>>(arrays: I) -> Self {
        let mut tensors = Tensors::new();
        tensors.extend(arrays);
        tensors
    }
}

/// Inserts arrays by name. An array replaces a tensor of the same name.
impl<A, K: Into<String>, D: Dimension> Extend<(K, Array<A, D>)> for Tensors<A> {
    fn extend<I: IntoIterator<Item = (K, Array<A, D>)>>(&mut self, arrays: I) {
        for (name, array) in arrays {
            self.insert(name, array);
        }
    }
}

/// Iterates over the arrays of this element type, in ascending order of their names.
impl<A> IntoIterator for Tensors<A> {
    type Item = (String, ArrayD<A>);
    type IntoIter = IntoIter<A>;

    fn into_iter(self) -> IntoIter<A> {
        IntoIter(self.entries.into_iter())
    }
}

/// An iterator over the arrays of [`Tensors`] that have its element type, by name.
#[derive(Debug)]
pub struct IntoIter<A>(btree_map::IntoIter<String, Entry<A>>);

impl<A> Iterator for IntoIter<A> {
    type Item = (String, ArrayD<A>);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.find_map(|(name, entry)| match entry {
            Entry::Array(array) => Some((name, array)),
            Entry::Other { .. } => None,
        })
    }
}

/// Copies the five arrays under their names: `wax`, `waa`, `wya`, `ba`, `by`. Where `n_a` is 0 and `n_x` is larger than 256,
/// they cannot be read again. [`Checkpoint::to_tensors`](super::Checkpoint::to_tensors) refuses such a network.
impl<A: Scalar> From<&Parameters<A>> for Tensors<A> {
    fn from(p: &Parameters<A>) -> Self {
        let mut tensors = Tensors::new();
        for (name, matrix) in [("wax", p.wax()), ("waa", p.waa()), ("wya", p.wya())] {
            tensors.insert(name, matrix.to_owned());
        }
        for (name, vector) in [("ba", p.ba()), ("by", p.by())] {
            tensors.insert(name, vector.to_owned());
        }
        if p.activation() != Activation::default() {
            tensors.metadata.insert(format!("{PREFIX}{ACTIVATION}"), p.activation().name().into());
        }
        tensors
    }
}

/// Copies the five arrays by their names. Other tensors are ignored. Where `n_a` is 0, `n_x` must be at most 256.
impl<A: Scalar> TryFrom<&Tensors<A>> for Parameters<A> {
    type Error = Error;

    fn try_from(tensors: &Tensors<A>) -> Result<Self, Error> {
        read_network(tensors, str::to_owned, ACTIVATION, None, 0)
    }
}

/// Reads a network of one layer.
///
/// - `name`: returns the name of a tensor, from this crate's symbol of the array
/// - `key`: the key of the nonlinearity in the metadata, after the prefix; without the key, it is tanh
/// - `by`: the output bias; `None` reads it
/// - `below`: the width of the layer below, or 0
pub(super) fn read_network<A: Scalar>(
    tensors: &Tensors<A>,
    name: impl Fn(&str) -> String,
    key: &str,
    by: Option<ArrayView1<'_, A>>,
    below: usize,
) -> Result<Parameters<A>, Error> {
    let [wax_name, waa_name, wya_name] = ["wax", "waa", "wya"].map(&name);
    let wax = tensors.matrix(&wax_name, "[n_a, n_x]")?;
    let waa = tensors.matrix(&waa_name, "[n_a, n_a]")?;
    let wya = tensors.matrix(&wya_name, "[n_y, n_a]")?;
    let n_a = wax.nrows();
    let n_y = by.map_or(wya.nrows(), |by| by.len());
    for (name, matrix, expected) in [(&waa_name, &waa, [n_a, n_a]), (&wya_name, &wya, [n_y, n_a])] {
        if matrix.shape() != expected {
            return Err(wrong_shape(name, format!("{expected:?}"), matrix.shape()));
        }
    }
    let ba = tensors.vector(&name("ba"), n_a)?;
    let by = by.map_or_else(|| tensors.vector(&name("by"), n_y), Ok)?;
    check_confirmed(&wax_name, "[n_a, n_x]", wax.shape(), ("n_x", wax.ncols()), n_a, below)?;
    let stated = tensors.metadata.get(&format!("{PREFIX}{key}"));
    let activation = stated.map_or(Ok(Activation::default()), |stated| parse_activation(key, stated))?;
    let network = Parameters::from_arrays(&wax, &waa, &wya, &ba, &by).expect("every shape was checked");
    Ok(network.with_activation(activation))
}

/// The key of a network's nonlinearity in the metadata, after the prefix.
pub(super) const ACTIVATION: &str = "activation";

/// The nonlinearity of this name, the value of a key without its prefix.
pub(super) fn parse_activation(key: &str, stated: &str) -> Result<Activation, Error> {
    Activation::from_name(stated).ok_or_else(|| refused(key, "`tanh`, `relu`, `sigmoid` or `identity`", Some(stated)))
}

/// Measures how similar two names are, for sorting.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number from 0 to 1000")]
fn similarity(name: &str, other: &str) -> u32 {
    (1000.0 * strsim::sorensen_dice(name, other)) as u32
}

pub(super) fn wrong_shape(tensor: &str, expected: String, found: &[usize]) -> Error {
    Error::Shape { tensor: tensor.into(), expected, found: found.to_vec() }
}

/// Refuses a `wax` that declares many inputs and has no elements.
pub(super) fn check_inputs<A: Scalar>(wax: &ArrayView2<'_, A>) -> Result<(), Error> {
    check_confirmed("wax", "[n_a, n_x]", wax.shape(), ("n_x", wax.ncols()), wax.nrows(), 0)
}

/// Refuses a large number of inputs or outputs that no element confirms.
///
/// This happens only where `n_a = 0`: the matrix then has no elements, whatever number it declares. A file of a few bytes
/// could otherwise ask for any amount of memory. The elements of another tensor confirm as many as `confirmed`.
pub(super) fn check_confirmed(
    tensor: &str,
    expected: &str,
    found: &[usize],
    (symbol, declared): (&str, usize),
    n_a: usize,
    confirmed: usize,
) -> Result<(), Error> {
    /// So few that their zeros take less memory than the text that declares them may take.
    const MOST: usize = 256;
    let most = MOST.max(confirmed);
    if n_a > 0 || declared <= most {
        return Ok(());
    }
    Err(wrong_shape(tensor, format!("{expected} with {symbol} at most {most}, because n_a is 0"), found))
}
