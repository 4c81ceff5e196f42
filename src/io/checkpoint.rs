//! A run as named arrays: parameters, and the state of the optimiser.
