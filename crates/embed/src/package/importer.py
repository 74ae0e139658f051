"""Finds the package `oxbridge` in the program that this interpreter runs in.

The finder stands first in `sys.meta_path`: an installed package of the same name would have another
extension module behind it, which knows nothing of this program.
"""

import sys
from importlib.machinery import ModuleSpec


class EmbeddedPackage:
    """Finds and loads the modules whose sources the program brings along."""

    def __init__(self, version, modules, native):
        # name -> (is a package, the file's name as tracebacks show it, source)
        self._modules = modules
        self._version = version
        # name -> what makes an extension module
        self._native = native

    def find_spec(self, fullname, path=None, target=None):
        """Say where a module is, if it is embedded."""
        if fullname in self._native:
            return ModuleSpec(fullname, self, origin="built-in")
        if fullname not in self._modules:
            return None
        is_package, filename, _ = self._modules[fullname]
        spec = ModuleSpec(fullname, self, origin=filename, is_package=is_package)
        spec.has_location = True
        spec.cached = None
        return spec

    def create_module(self, spec):
        """Make the extension module; leave the others to the import system."""
        make = self._native.get(spec.name)
        return make() if make else None

    def exec_module(self, module):
        """Run a module's source."""
        name = module.__spec__.name
        if name in self._native:
            return
        if name == "oxbridge":
            # Not what the metadata of an installed package may say.
            module.__version__ = self._version
        exec(self.get_code(name), module.__dict__)  # noqa: S102 - what loaders do

    def is_package(self, fullname):
        """Tell packages from modules."""
        return self._module(fullname)[0]

    def get_filename(self, fullname):
        """Name the file, as tracebacks show it."""
        return self._module(fullname)[1]

    def get_source(self, fullname):
        """Give the source, to linecache and inspect: tracebacks show lines of it."""
        return None if fullname in self._native else self._module(fullname)[2]

    def get_code(self, fullname):
        """Compile the source."""
        if fullname in self._native:
            return None
        _, filename, source = self._module(fullname)
        return compile(source, filename, "exec", dont_inherit=True)

    def _module(self, fullname):
        try:
            return self._modules[fullname]
        except KeyError:
            raise ImportError(f"{fullname} is not embedded", name=fullname) from None


def install(version, modules, native):
    """Put the finder first; name the file of a package `oxbridge` that is there already."""
    loaded = sys.modules.get("oxbridge")
    if loaded is not None:
        return getattr(loaded, "__file__", None) or repr(loaded)
    sys.meta_path.insert(0, EmbeddedPackage(version, modules, native))
    return None
