import ctypes
from pathlib import Path

OracleFn = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_int32)

lib = ctypes.CDLL(str(Path(__file__).with_name("libanswer.so")))
lib.set_oracle.argtypes = [OracleFn]
lib.set_oracle.restype = None
lib.ask.argtypes = [ctypes.c_int32]
lib.ask.restype = ctypes.c_int32

failures: list[BaseException] = []


def oracle(question: int) -> int:
    try:
        return 84 // question
    except BaseException as failure:
        failures.append(failure)
        return -1


def ask(question: int) -> int:
    answer: int = lib.ask(question)
    if failures:
        raise failures.pop()
    return answer


# C has the address of `callback` and Python does not know that: the name keeps it alive.
callback = OracleFn(oracle)
lib.set_oracle(callback)
print(ask(2))
try:
    ask(0)
except ZeroDivisionError:
    print("ZeroDivisionError")
# First C forgets the address, then Python may forget the callback.
lib.set_oracle(OracleFn())
del callback
print(ask(2))
