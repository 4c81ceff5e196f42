//! The model file, and its replacement while clients are served.

use std::path::PathBuf;

use clap::Args;
use elman::cell::Network;
use elman::io::{safetensors, torch};
use elman::{Activation, Parameters};
use tokio::sync::watch;

use crate::Result;

const BUILT_IN: &[u8] = include_bytes!("../../tests/fixtures/torch_rnn.safetensors");

/// Where the weights come from.
#[derive(Debug, Clone, Args)]
pub(crate) struct Source {
    /// Weights to use instead of the built-in ones
    #[arg(long, value_name = "FILE.safetensors")]
    pub(crate) model: Option<PathBuf>,
    /// Prefix of the names of a torch RNN's tensors
    #[arg(long, default_value = "encoder.rnn.")]
    pub(crate) rnn: String,
    /// Prefix of the names of a torch Linear's tensors
    #[arg(long, default_value = "head.")]
    pub(crate) linear: String,
}

impl Source {
    /// The built-in model.
    pub(crate) fn built_in() -> Self {
        Source { model: None, rnn: "encoder.rnn.".into(), linear: "head.".into() }
    }

    /// Reads the weights. All of them are finite.
    pub(crate) fn load(&self) -> Result<Parameters<f32>> {
        let tensors = match &self.model {
            Some(path) => safetensors::load(path)?,
            None => safetensors::from_bytes(BUILT_IN)?,
        };
        let parameters: Parameters<f32> = if tensors.contains("wax") {
            Parameters::try_from(&tensors)?
        } else {
            torch::Rnn::new(&self.rnn, Activation::Tanh).with_linear(&self.linear).from_tensors(&tensors)?
        };
        if parameters.dims().n_y == 0 {
            return Err("the model has no output layer, so there is nothing to answer".into());
        }
        if let Some(at) = parameters.as_slice().iter().position(|weight| !weight.is_finite()) {
            let (name, weight) = (parameters.name_of(at).unwrap_or_default(), parameters.as_slice()[at]);
            return Err(format!("the model's {name} is {weight}, expected a finite number").into());
        }
        Ok(parameters)
    }

    /// Reads the weights again, and gives their network to all clients. An error leaves the old network in place.
    #[cfg_attr(not(unix), expect(dead_code, reason = "only Unix has `SIGHUP`"))]
    pub(crate) fn reload(&self, networks: &watch::Sender<Network<f32>>) -> Result<()> {
        if self.model.is_none() {
            return Err("the built-in model has no file to read again".into());
        }
        let network = Network::new(&self.load()?);
        let (expected, found) = (networks.borrow().dims(), network.dims());
        if found != expected {
            return Err(format!("the file holds a network of {found:?}, expected {expected:?}").into());
        }
        networks.send_replace(network);
        Ok(())
    }
}
