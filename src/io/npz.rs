//! NumPy's `.npz`.
