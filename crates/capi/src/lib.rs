//! liboxbridge: the C ABI.
