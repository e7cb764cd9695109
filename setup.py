"""Build of the Cython extensions, in place: every .pyx below cext, feeds and engine is one extension module.

    python setup.py build_ext --inplace            all of them
    LOCKSTEP_ONLY=cext.book,cext.ring python ...   some of them, while working on one
    LOCKSTEP_STRICT=1                              compiler warnings and Cython performance hints fail (make test, not make run)
    LOCKSTEP_MARCH=x86-64-v3                       instead of native

The generated C stays under build/cython: tests/hot reads exactly what was compiled.
"""
import os
import pathlib
import sys

from setuptools import Extension, setup

ROOT = pathlib.Path(__file__).parent
PACKAGES = ("cext", "feeds", "engine", "tools", "bench", "tests")
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "initializedcheck": False,
    "cdivision": True,
    "nonecheck": False,
    "infer_types": True,
}
STRICT = os.environ.get("LOCKSTEP_STRICT") == "1"
# -ffp-contract=off: a fused multiply-add would make decisions differ between machines.
CFLAGS = ["-O3", "-std=gnu11", "-ffp-contract=off", "-fno-strict-aliasing", "-fno-plt", "-g1",
          "-march=" + os.environ.get("LOCKSTEP_MARCH", "native")]
if STRICT:
    CFLAGS += ["-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-Wno-unused-function",
               "-Wno-missing-field-initializers", "-Wno-sign-compare", "-Wno-cast-function-type",
               "-Wno-unused-but-set-variable", "-Wno-maybe-uninitialized"]


def module_names() -> list[str]:
    """Dotted names of all .pyx files, or those asked for in LOCKSTEP_ONLY."""
    names = [str(path.relative_to(ROOT).with_suffix("")).replace(os.sep, ".")
             for package in PACKAGES for path in sorted((ROOT / package).rglob("*.pyx"))]
    only = [name for name in os.environ.get("LOCKSTEP_ONLY", "").split(",") if name]
    unknown = set(only) - set(names)
    if unknown:
        sys.exit(f"setup.py: LOCKSTEP_ONLY names no module: {', '.join(sorted(unknown))}")
    return [name for name in names if not only or name in only]


def extension(name: str) -> Extension:
    """One extension for one .pyx. Headers of cext are on the include path and are dependencies of every module."""
    source = name.replace(".", "/") + ".pyx"
    headers = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "cext").rglob("*.h"))]
    return Extension(name, [source], include_dirs=["cext", "."], depends=headers, extra_compile_args=CFLAGS,
                     libraries=["rt", "dl"])


def modules() -> list[Extension]:
    from Cython.Build import cythonize
    annotate = os.environ.get("LOCKSTEP_ANNOTATE") == "1"
    return cythonize([extension(name) for name in module_names()], build_dir="build/annotate" if annotate else "build/cython",
                     annotate=annotate, force=annotate,
                     compiler_directives=DIRECTIVES, show_all_warnings=False,
                     nthreads=os.cpu_count() or 1)


setup(name="lockstep", version="0.1.0", packages=[], ext_modules=modules())
