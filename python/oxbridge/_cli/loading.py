"""Imports the application that a text names: "module:attribute", "module:make()", "path/app.py"."""

from __future__ import annotations

import ast
import difflib
import importlib
import os
import re
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any

from oxbridge._cli.errors import (
    AppFailed,
    AttributeMissing,
    CommandError,
    ModuleMissing,
    NotAnApplication,
)
from oxbridge._cli.interface import Interface, is_factory, resolve
from oxbridge.mux import Mux, default_mux

if TYPE_CHECKING:
    from oxbridge.config import Config

# Looked for, in this order, where a module alone is named.
NAMES = ("app", "application", "api")
FACTORIES = ("create_app", "make_app")


@dataclass(frozen=True)
class Application:
    """An application that has been imported, and all that there is to say about it."""

    app: Any
    interface: Interface
    name: str
    """What was taken: "module:attribute"."""
    note: str | None = None
    """What is worth a warning."""

    def __iter__(self) -> Iterator[Any]:
        """Unpack into what a server takes: `app, interface = load(config)`."""
        return iter((self.app, self.interface))


def load(config: Config) -> Application:
    """Import the application and find out what it speaks.

    Changes `sys.path` as the option `app_dir` says.

    Raises:
        AppFailed: The application's own code raised an exception, which is the cause.
        CommandError: There is no such application; the text says what is there.
    """
    name, app, called = _imported(config)
    note = None
    if not called and config.factory:
        app = made_by(name, app)
        name = f"{name}()"
    elif not called and config.interface == "auto" and is_factory(app):
        note = f"{name} takes no arguments, so it is called to make the application (--factory)"
        app = made_by(name, app)
        name = f"{name}()"
    app, interface = resolve(app, config.interface, name)
    return Application(app, interface, config.name or name, note)


def own_traceback(error: BaseException) -> str:
    """Format an exception with the frames of the application alone."""
    return "".join(traceback.format_exception(type(error), error, _own(error.__traceback__)))


def _imported(config: Config) -> tuple[str, Any, bool]:
    """Return the object's name, the object, and whether a call in the text has made it."""
    if not isinstance(config.app, str):
        if config.app is None:
            raise CommandError("there is no application to serve")
        kind = type(config.app)
        name = getattr(config.app, "__qualname__", None) or kind.__qualname__
        return f"{getattr(config.app, '__module__', kind.__module__)}:{name}", config.app, False
    _put_on_path(config.app_dir)
    return named(config.app, config.app_dir, factory=config.factory)


def named(text: str, looked_in: str | None, *, factory: bool) -> tuple[str, Any, bool]:
    """Import the object that a text names.

    Args:
        text: "module:attribute", and the other forms.
        looked_in: The directory that the caller has put on the path, for errors; None for none.
        factory: Whether an object is wanted that makes the application, where none is named.

    Returns:
        The object's name, the object, and whether a call in the text has made it.

    Raises:
        AppFailed: The application's own code raised an exception, which is the cause.
        CommandError: There is no such object; the text says what is there.
    """
    module_name, attribute, directory = split(text)
    if directory is not None:
        _put_on_path(directory)
    module = _import(module_name, looked_in)
    if not attribute:
        found, app = _default(module, factory=factory)
        return f"{module_name}:{found}", app, False
    path, arguments = _call_in(attribute, text)
    app = _attribute(module, path)
    if arguments is None:
        return f"{module_name}:{path}", app, False
    return f"{module_name}:{attribute}", made_by(f"{module_name}:{path}", app, *arguments), True


def split(text: str) -> tuple[str, str, str | None]:
    """Take "module:attribute" apart: module, attribute or "", and the directory of a file's path.

    Raises:
        CommandError: It is of another form, or a file is named that is not there.
    """
    where, _, attribute = text.partition(":")
    if where.endswith(".py") or "/" in where:
        file = Path(where)
        if not file.is_file():
            raise ModuleMissing(f"there is no file {where} to serve an application from")
        if file.suffix != ".py":
            raise CommandError(f"{where} is not a Python file; its name must end in .py")
        return *_module_of(file.resolve(), attribute), _directory_of(file.resolve())
    if re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", where) is None:
        raise CommandError(
            f"the application must be named as module:attribute, such as main:app, not {text!r}"
        )
    return where, attribute, None


def _module_of(file: Path, attribute: str) -> tuple[str, str]:
    """Name the module that a file is; packages around it are part of its name."""
    parts = [] if file.name == "__init__.py" else [file.stem]
    directory = Path(_directory_of(file))
    parts = [*file.parent.relative_to(directory).parts, *parts]
    return ".".join(parts), attribute


def _directory_of(file: Path) -> str:
    """The directory from which the outermost package of a file is imported."""
    directory = file.parent
    while (directory / "__init__.py").is_file() and directory != directory.parent:
        directory = directory.parent
    return str(directory)


def _put_on_path(directory: str) -> None:
    path = os.path.abspath(directory)
    if not os.path.isdir(path):
        raise CommandError(f"there is no directory {directory} to look for the application in")
    if path not in sys.path[:1]:
        sys.path.insert(0, path)


def _import(name: str, directory: str | None) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if _own(error.__traceback__) is not None or not _is_part(error.name, name):
            raise _failed(name, error) from error
        modules = [] if directory is None else _modules(directory)
        close = difflib.get_close_matches(name, modules, n=2)
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        missing = error.name or name
        of = f" (for {name})" if missing != name else ""
        raise ModuleMissing(
            f"there is no module {missing}{of} in {_looked(directory)}{hint}"
        ) from None
    except Exception as error:
        raise _failed(name, error) from error


def _looked(directory: str | None) -> str:
    """Say where a module was looked for."""
    if directory is None:
        return "sys.path"
    here = "the current directory" if directory == "." else directory
    return f"{here} or among the installed ones"


def _is_part(missing: str | None, name: str) -> bool:
    return missing is not None and (missing == name or name.startswith(f"{missing}."))


def _failed(name: str, error: Exception) -> AppFailed:
    return AppFailed(f"{name} could not be loaded: its own code raised {type(error).__name__}")


def _own(tb: TracebackType | None) -> TracebackType | None:
    """Leave out the frames in front that are this package's and the import system's."""
    # Where the package is part of a program, its files have names that are no paths.
    ours = os.path.dirname(__file__) + os.sep
    installed = os.path.dirname(os.path.abspath(__file__)) + os.sep
    importing = os.path.dirname(os.path.abspath(importlib.__file__)) + os.sep
    while tb is not None:
        file = tb.tb_frame.f_code.co_filename
        if not file.startswith(("<frozen importlib", ours, installed, importing)):
            break
        tb = tb.tb_next
    return tb


def _modules(directory: str) -> list[str]:
    """The modules of a directory, for hints."""
    found: list[str] = []
    for entry in Path(directory).iterdir():
        if entry.suffix == ".py":
            found.append(entry.stem)
        elif (entry / "__init__.py").is_file():
            found.append(entry.name)
            found += [f"{entry.name}.{m.stem}" for m in entry.glob("*.py") if m.stem != "__init__"]
    return found


def _default(module: ModuleType, *, factory: bool) -> tuple[str, Any]:
    """Choose an object where none is named."""
    for name in FACTORIES if factory else NAMES:
        # A submodule may be called like that.
        if hasattr(module, name) and not isinstance(getattr(module, name), ModuleType):
            return name, getattr(module, name)
    if not factory:
        muxes = {n: v for n, v in vars(module).items() if isinstance(v, Mux)}
        if len(muxes) == 1:
            return next(iter(muxes.items()))
        if not muxes and default_mux.patterns:
            return "default_mux", default_mux
        if hasattr(module, "handler"):
            return "handler", module.handler
    here = module.__name__
    for name in FACTORIES:
        if hasattr(module, name):
            raise AttributeMissing(
                f"{here} has no application, but {name}; serve `{here}:{name} --factory`"
            )
    wanted = ", ".join(FACTORIES if factory else (*NAMES, "handler"))
    raise AttributeMissing(
        f"{here} has none of {wanted}; name the application, as in {here}:my_app"
    )


def _call_in(attribute: str, text: str) -> tuple[str, tuple[list[Any], dict[str, Any]] | None]:
    """Take "attribute.sub" or "make(1, key='x')" apart: the path, and the arguments of a call."""
    wrong = CommandError(
        f"behind the colon of {text!r} must be a name, such as app, or a call with literal "
        "arguments, such as make_app(debug=True)"
    )
    try:
        tree: ast.expr = ast.parse(attribute, mode="eval").body
        if not isinstance(tree, ast.Call):
            return _dotted(tree, wrong), None
        if any(keyword.arg is None for keyword in tree.keywords):
            raise wrong
        positional = [ast.literal_eval(argument) for argument in tree.args]
        named = {k.arg: ast.literal_eval(k.value) for k in tree.keywords if k.arg is not None}
        return _dotted(tree.func, wrong), (positional, named)
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        raise wrong from None


def _dotted(tree: ast.expr, wrong: CommandError) -> str:
    match tree:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=name):
            return f"{_dotted(value, wrong)}.{name}"
    raise wrong


def _attribute(module: ModuleType, path: str) -> Any:
    value: Any = module
    so_far = module.__name__
    for name in path.split("."):
        try:
            value = getattr(value, name)
        except AttributeError:
            names = [n for n in dir(value) if not n.startswith("_")]
            close = difflib.get_close_matches(name, names, n=3)
            hint = f"; did you mean {' or '.join(close)}?" if close else ""
            raise AttributeMissing(f"{so_far} has no attribute {name}{hint}") from None
        so_far += f"{':' if so_far == module.__name__ else '.'}{name}"
    return value


def made_by(name: str, factory: Any, arguments: Any = (), keywords: Any = None) -> Any:
    """Call a factory.

    Raises:
        AppFailed: It raised an exception, which is the cause.
        NotAnApplication: It cannot be called, or is a coroutine function.
    """
    if not callable(factory):
        raise NotAnApplication(f"{name} cannot be called, so it makes no application")
    try:
        made = factory(*arguments, **(keywords or {}))
    except Exception as error:
        raise _failed(f"{name}()", error) from error
    if hasattr(made, "__await__") and hasattr(made, "close"):
        made.close()
        raise NotAnApplication(
            f"{name} is a coroutine function, which makes no application; take a plain function"
        )
    return made
