//! Requests and answers: one JSON object a line.
//!
//! ```text
//! {"x":[1,0,-0.5]}              one step on n_x finite numbers
//! {"token":2}                   one step on a token id, which is a one-hot vector
//!     {"output":[0.25,0.75]}    the n_y probabilities
//! {"reset":true}                sets the hidden state to zero
//!     {"reset":true}
//! {"id":"a","x":[1]}            any request may have an id: any JSON value
//!     {"id":"a","error":"expected 3 finite numbers in x, found 1: `[1]`"}
//! ```
//!
//! Every line gets one answer, in the order of the requests. An error leaves the hidden state unchanged. All numbers
//! are `f32`, and the text of each gives the same bits when it is read again.

use elman::cell::{Network, Stepper};
use ndarray::Array2;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use tokio::sync::watch;

/// The hidden state of one client.
#[derive(Debug)]
pub(crate) struct Session {
    stepper: Stepper<f32>,
    networks: watch::Receiver<Network<f32>>,
    /// The hidden state before the request.
    before: Array2<f32>,
}

/// The fields of a request, as they were sent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request<'a> {
    #[serde(borrow, default, deserialize_with = "sent")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "sent")]
    x: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "sent")]
    token: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "sent")]
    reset: Option<&'a RawValue>,
}

#[derive(Debug, Serialize)]
struct Answer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a RawValue>,
    #[serde(flatten)]
    body: Body,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Body {
    Output(Vec<f32>),
    Reset(bool),
    Error(String),
}

/// Reads a field that was sent, even where it is `null`.
fn sent<'de, D: Deserializer<'de>>(field: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(field).map(Some)
}

impl Session {
    pub(crate) fn new(mut networks: watch::Receiver<Network<f32>>) -> Self {
        let stepper = networks.borrow_and_update().stepper(1);
        Session { before: stepper.hidden().to_owned(), stepper, networks }
    }

    /// Answers one request.
    pub(crate) fn answer(&mut self, line: &[u8]) -> String {
        match parse(line) {
            Ok(request) => to_line(&Answer { id: request.id, body: self.run(&request).unwrap_or_else(Body::Error) }),
            Err(error) => error_line(error),
        }
    }

    fn run(&mut self, request: &Request) -> Result<Body, String> {
        // Without a sender there is no new network.
        if self.networks.has_changed().unwrap_or(false) {
            let network = self.networks.borrow_and_update().clone();
            self.stepper.set_network(network).map_err(|error| error.to_string())?;
        }
        match (request.x, request.token, request.reset) {
            (Some(x), None, None) => {
                let n_x = self.stepper.network().dims().n_x;
                let x = numbers(x, n_x)?;
                self.step(|stepper| stepper.step(&x).map_err(|error| error.to_string()))
            }
            (None, Some(token), None) => {
                let n_x = self.stepper.network().dims().n_x;
                let id: Option<usize> = serde_json::from_str(token.get()).ok().filter(|id| *id < n_x);
                let id = id.ok_or_else(|| format!("expected a token id below {n_x}, found {}", quote(token)))?;
                self.step(|stepper| stepper.step_tokens(&[id]).map_err(|error| error.to_string()))
            }
            (None, None, Some(reset)) if reset.get() == "true" => {
                self.stepper.reset();
                Ok(Body::Reset(true))
            }
            (None, None, Some(reset)) => Err(format!("expected true for reset, found {}", quote(reset))),
            _ => {
                let fields = [("x", request.x), ("token", request.token), ("reset", request.reset)];
                let found: Vec<_> = fields.iter().filter(|(_, field)| field.is_some()).map(|(name, _)| *name).collect();
                let found = if found.is_empty() { "none".into() } else { found.join(" and ") };
                Err(format!("expected one of x, token and reset, found {found}"))
            }
        }
    }

    /// Takes a step, and restores the hidden state where the output is not finite.
    fn step(&mut self, step: impl FnOnce(&mut Stepper<f32>) -> Result<(), String>) -> Result<Body, String> {
        self.before.assign(&self.stepper.hidden());
        step(&mut self.stepper)?;
        let output: Vec<f32> = self.stepper.output().iter().copied().collect();
        if let Some(value) = output.iter().find(|value| !value.is_finite()) {
            self.stepper.set_hidden(&self.before).map_err(|error| error.to_string())?;
            return Err(format!("the output holds {value}: the logits are too large"));
        }
        Ok(Body::Output(output))
    }
}

fn parse(line: &[u8]) -> Result<Request<'_>, String> {
    let wrong = |reason: String| {
        let found = abridged(&String::from_utf8_lossy(line));
        format!("expected a JSON object with x, token or reset, found `{found}`{reason}")
    };
    // Serde would read an array's elements as the fields.
    if line.trim_ascii_start().first() != Some(&b'{') {
        return Err(wrong(String::new()));
    }
    serde_json::from_slice(line).map_err(|error| wrong(format!(": {error}")))
}

/// (`n_x`, 1)
fn numbers(x: &RawValue, n_x: usize) -> Result<Array2<f32>, String> {
    let expected = format!("expected {n_x} finite numbers in x, found");
    let numbers: Option<Vec<f32>> = serde_json::from_str(x.get()).ok();
    let finite = numbers.filter(|numbers| numbers.iter().all(|number| number.is_finite()));
    let numbers = finite.ok_or_else(|| format!("{expected} {}", quote(x)))?;
    let found = numbers.len();
    Array2::from_shape_vec((n_x, 1), numbers).map_err(|_| format!("{expected} {found}: {}", quote(x)))
}

/// A line that is no answer to a request, or to none that could be read.
pub(crate) fn error_line(error: String) -> String {
    to_line(&Answer { id: None, body: Body::Error(error) })
}

fn to_line(answer: &Answer) -> String {
    serde_json::to_string(answer).unwrap_or_else(|error| format!(r#"{{"error":"no answer in JSON: {error}"}}"#))
}

fn quote(value: &RawValue) -> String {
    format!("`{}`", abridged(value.get()))
}

fn abridged(text: &str) -> String {
    text.char_indices().nth(40).map_or_else(|| text.into(), |(end, _)| format!("{}…", &text[..end]))
}
