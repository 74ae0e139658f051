import ctypes
from array import array
from pathlib import Path

lib = ctypes.CDLL(str(Path(__file__).with_name("libanswer.so")))
lib.sum.argtypes = [ctypes.POINTER(ctypes.c_int32), ctypes.c_size_t]
lib.sum.restype = ctypes.c_int64


def rust_sum(numbers: list[int]) -> int:
    # The array checks that every number fits; ctypes would cut those that do not.
    ints = array("i", numbers)
    # A view, not a copy. It holds on to `ints`, and this function holds on to it.
    view = (ctypes.c_int32 * len(ints)).from_buffer(ints)
    result: int = lib.sum(view, len(ints))
    return result


print(rust_sum([20, 20, 2]))
print(rust_sum([]))
try:
    rust_sum([2**32 + 42])
except OverflowError:
    print("OverflowError")
