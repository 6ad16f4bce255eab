"""Compiled loops: never at import, and also where nothing may be kept."""

import subprocess
import sys

import numpy as np

from components.memory.compiled import compiled, plain


def test_importing_the_memory_compiles_nothing() -> None:
    code = "import sys, components.memory.memory; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_loop_is_compiled_also_where_nothing_may_be_kept() -> None:
    space: dict[str, object] = {}
    exec("def double(x):\n    return 2 * x", space)  # without a file, there is no folder beside it
    double = space["double"]
    assert callable(double)
    assert compiled(double)(21) == 42


def test_a_read_only_array_becomes_one_that_a_loop_knows() -> None:
    frozen = np.arange(6).reshape(2, 3).T
    frozen.flags.writeable = False
    assert plain(frozen).flags.c_contiguous
    assert plain(frozen).flags.writeable
    assert np.array_equal(plain(frozen), frozen)
