//! ONNX: the `RNN` operator.
