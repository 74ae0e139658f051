import ctypes
from pathlib import Path

lib = ctypes.CDLL(str(Path(__file__).with_name("libhi.so")))
lib.say_hi.argtypes = [ctypes.c_char_p]
# Not c_char_p: ctypes would make bytes of it and lose the address, which free_hi needs.
lib.say_hi.restype = ctypes.c_void_p
lib.free_hi.argtypes = [ctypes.c_void_p]
lib.free_hi.restype = None


def say_hi(name: str | bytes) -> str:
    data = name.encode() if isinstance(name, str) else name
    if b"\0" in data:
        raise ValueError("a NUL would end the name early")
    hi = lib.say_hi(data)
    if hi is None:
        raise ValueError("the name is no UTF-8")
    try:
        return ctypes.string_at(hi).decode()
    finally:
        lib.free_hi(hi)


for name in ("world", "Zoë", "李", b"Zo\xeb", "Zo\0ë"):
    try:
        print(say_hi(name))
    except ValueError as error:
        print(f"{name!r}: {error}")
