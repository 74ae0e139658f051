use std::slice;

/// The sum of `len` numbers, which are only read, and only during the call; 0 for a null pointer.
///
/// # Safety
///
/// `numbers` is null, or `len` is 0, or there are `len` numbers where it points, at an address that
/// is a multiple of 4, and nobody changes them meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sum(numbers: *const i32, len: usize) -> i64 {
    // Where no numbers point to does not matter: Python gives an odd address for an empty array.
    if len == 0 || numbers.is_null() {
        return 0;
    }
    // SAFETY: it is not null, and the caller vouches for the rest, as the comment above demands.
    let numbers = unsafe { slice::from_raw_parts(numbers, len) };
    numbers.iter().copied().map(i64::from).sum()
}
