//! `Serialize` and `Deserialize`, refusing what is no network.
