//! `PyTorch`: `nn.RNN`, `nn.RNNCell` and `nn.Linear`.
