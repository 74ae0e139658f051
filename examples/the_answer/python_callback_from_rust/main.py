import ctypes
import threading
from pathlib import Path

OracleFn = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_int32)

lib = ctypes.CDLL(str(Path(__file__).with_name("libanswer.so")))
lib.ask.argtypes = [OracleFn, ctypes.c_int32]
lib.ask.restype = ctypes.c_int32


def oracle(question: int) -> int:
    here = threading.get_ident() == threading.main_thread().ident
    print("on the main thread" if here else "on another thread")
    return 21 * question


callback = OracleFn(oracle)
print(oracle(2))
print(lib.ask(callback, 2))
print(lib.ask(OracleFn(), 2))
