import ctypes
from pathlib import Path

lib = ctypes.CDLL(str(Path(__file__).with_name("libanswer.so")))

lib.the_answer.argtypes = []
lib.the_answer.restype = ctypes.c_int32
print(lib.the_answer())

# Nobody has said what this one returns. ctypes guesses: an int, 32 bits.
print(lib.the_long_answer())
lib.the_long_answer.argtypes = []
lib.the_long_answer.restype = ctypes.c_int64
print(lib.the_long_answer())
