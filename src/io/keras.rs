//! Keras: `SimpleRNN` and `Dense`.
