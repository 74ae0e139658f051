use std::thread;

/// Answers a question; -1 if it cannot.
type Oracle = extern "C" fn(question: i32) -> i32;

/// What the oracle answers; -1 where there is none. It is called on another thread than the
/// caller's, and has answered when this function returns.
#[unsafe(no_mangle)]
pub extern "C" fn ask(oracle: Option<Oracle>, question: i32) -> i32 {
    let Some(oracle) = oracle else {
        return -1;
    };
    // `spawn` of the builder, not of the module: without a thread it gives an error, no panic.
    let asking = thread::Builder::new().spawn(move || oracle(question));
    asking
        .ok()
        .and_then(|asking| asking.join().ok())
        .unwrap_or(-1)
}
