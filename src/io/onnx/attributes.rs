//! The attributes of a node, by name and type.

use super::proto::{Attribute, Node, Tensor, attribute_type};
use crate::io::error::abridged;

/// The attribute of this name. An error where it has another type. Old files state no type.
fn of<'n>(node: &'n Node, name: &str, kind: i32) -> Result<Option<&'n Attribute>, String> {
    let attribute = node.attribute.iter().find(|attribute| attribute.name() == name);
    match attribute.filter(|attribute| !matches!(attribute.r#type(), 0) && attribute.r#type() != kind) {
        Some(_) => Err(format!("the operator {} with an attribute `{name}` of another type", abridged(node.op_type()))),
        None => Ok(attribute),
    }
}

pub(super) fn is_set(node: &Node, name: &str) -> bool {
    node.attribute.iter().any(|attribute| attribute.name() == name)
}

pub(super) fn float(node: &Node, name: &str) -> Result<Option<f32>, String> {
    Ok(of(node, name, attribute_type::FLOAT)?.map(Attribute::f))
}

pub(super) fn int(node: &Node, name: &str) -> Result<Option<i64>, String> {
    Ok(of(node, name, attribute_type::INT)?.map(Attribute::i))
}

pub(super) fn string<'n>(node: &'n Node, name: &str) -> Result<Option<&'n [u8]>, String> {
    Ok(of(node, name, attribute_type::STRING)?.map(Attribute::s))
}

pub(super) fn floats<'n>(node: &'n Node, name: &str) -> Result<Option<&'n [f32]>, String> {
    Ok(of(node, name, attribute_type::FLOATS)?.map(|attribute| &attribute.floats[..]))
}

pub(super) fn ints<'n>(node: &'n Node, name: &str) -> Result<Option<&'n [i64]>, String> {
    Ok(of(node, name, attribute_type::INTS)?.map(|attribute| &attribute.ints[..]))
}

pub(super) fn strings<'n>(node: &'n Node, name: &str) -> Result<Option<&'n [Vec<u8>]>, String> {
    Ok(of(node, name, attribute_type::STRINGS)?.map(|attribute| &attribute.strings[..]))
}

/// The tensor in an attribute.
pub(super) fn tensor<'n>(node: &'n Node, name: &str) -> Option<&'n Tensor> {
    node.attribute.iter().find(|attribute| attribute.name() == name)?.t.as_deref()
}
