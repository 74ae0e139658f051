use pyo3::prelude::*;

#[pymodule]
mod answer {
    use pyo3::exceptions::PyIndexError;
    use pyo3::prelude::*;

    #[pyfunction]
    fn the_answer() -> i32 {
        42
    }

    #[pyfunction]
    fn say_hi(name: &str) -> String {
        format!("Hi, {name}!")
    }

    /// The answer's digit at a place, 0 being the first.
    #[pyfunction]
    fn digit(place: usize) -> PyResult<u8> {
        let digits = the_answer().to_string();
        let digit = digits.as_bytes().get(place);
        digit
            .map(|digit| digit - b'0')
            .ok_or_else(|| PyIndexError::new_err(format!("{digits} has no digit {place}")))
    }
}
