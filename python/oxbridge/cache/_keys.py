"""Keys made of the arguments of a call, and the arguments again.

A key is the arguments as Python writes them, so that 1, 1.0, True and "1" differ, and so that it is
the same in every process.
"""

from __future__ import annotations

import ast
import inspect
import math
from collections.abc import Callable
from typing import Any

_PLAIN = frozenset({int, str, bytes, bool, type(None)})


class ArgumentKeys:
    """The keys of one function's calls."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._name = f"{function.__module__}.{function.__qualname__}"
        self._signature = inspect.signature(function)
        kinds = {parameter.kind for parameter in self._signature.parameters.values()}
        # A call of so many positional arguments names every parameter.
        self._complete = (
            len(self._signature.parameters)
            if kinds <= {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
            else None
        )

    def key(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """Make the key of a call: the same one, however the call is written.

        Raises:
            TypeError: The function has no such parameters, or no key can be made of an argument.
        """
        if kwargs or len(args) != self._complete:
            bound = self._signature.bind(*args, **kwargs)
            bound.apply_defaults()
            args, kwargs = bound.args, bound.kwargs
        if not kwargs:
            # The usual case, and what `_write` would make of it but for white space.
            return repr(args) if _PLAIN.issuperset(map(type, args)) else self._written(args)
        # No tuple begins with a star.
        return "*" + self._written((args, tuple(sorted(kwargs.items()))))

    def arguments(self, key: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Read the arguments out of a key that `key` made.

        Raises:
            ValueError: It did not.
        """
        try:
            value = _read(ast.parse(key.removeprefix("*"), mode="eval").body)
            args, kwargs = value if key.startswith("*") else (value, ())
            self._signature.bind(*args, **dict(kwargs))
            return args, dict(kwargs)
        except (SyntaxError, TypeError, ValueError, MemoryError, RecursionError) as error:
            raise ValueError(f"{key!r:.80} is no key of calls of {self._name}") from error

    def _written(self, value: tuple[Any, ...]) -> str:
        try:
            return _write(value)
        except TypeError as error:
            raise TypeError(
                f"no key can be made of the arguments of {self._name}: {error}; cached(key=…) "
                "takes a function that makes one"
            ) from None


def _write(value: Any) -> str:
    kind = type(value)
    if kind in _PLAIN:
        return repr(value)
    if kind is tuple:
        return f"({''.join([_write(item) + ',' for item in value])})"
    if kind is float:
        if math.isnan(value):
            raise TypeError("nan is not equal to itself")
        # As a literal: 1e999 is read as infinity.
        return repr(value) if math.isfinite(value) else f"{'-' if value < 0 else ''}1e999"
    if kind is frozenset:
        return f"{{{','.join(sorted(map(_write, value)))}}}" if value else "{*()}"
    raise TypeError(
        f"{value!r:.60} is {kind.__qualname__}, not None, bool, int, float, str, bytes, or a "
        "tuple or frozenset of these"
    )


def _read(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value) if type(value) is float or type(value) in _PLAIN:
            return value
        case ast.UnaryOp(ast.USub(), ast.Constant(int() | float() as value)):
            return -value
        case ast.Tuple(elements):
            return tuple([_read(element) for element in elements])
        case ast.Set([ast.Starred(ast.Tuple([]))]):
            return frozenset()
        case ast.Set(elements):
            return frozenset([_read(element) for element in elements])
        case _:
            raise ValueError(ast.dump(node))
