use std::panic;

#[unsafe(no_mangle)]
pub extern "C" fn the_answer() -> i32 {
    42
}

/// The answer's digit at a place, 0 being the first; -1 where there is none.
#[unsafe(no_mangle)]
pub extern "C" fn digit(place: usize) -> i32 {
    panic::catch_unwind(|| {
        let digits = the_answer().to_string();
        // Panics past the end. A check would be better; this one stands for the panics that
        // nobody has foreseen.
        i32::from(digits.as_bytes()[place] - b'0')
    })
    .unwrap_or(-1)
}
