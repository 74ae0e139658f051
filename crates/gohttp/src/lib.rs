//! libgohttp: the C functions of gohttplib.
