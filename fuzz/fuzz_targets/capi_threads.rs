//! The C API of servers with threads of their own: see [`calls`].

#![no_main]

mod calls;

use libfuzzer_sys::fuzz_target;

use calls::Drive;

fuzz_target!(|input: &[u8]| calls::run(input, Drive::Library));
