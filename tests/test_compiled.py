"""Compiled loops: never at import, and also where nothing may be kept."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from components.compiled import compiled, plain
from components.memory.memory import ErrorMemory, MemorySettings
from tests.memory.test_memory import ALL, HIDDEN, SPEC


def test_importing_the_memory_compiles_nothing() -> None:
    code = "import sys, components.memory.memory; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_loop_is_compiled_also_where_nothing_may_be_kept() -> None:
    space: dict[str, object] = {}
    exec("def double(x):\n    return 2 * x", space)  # without a file, there is no folder beside it
    double = space["double"]
    assert callable(double)
    assert compiled(double)(21) == 42


def test_a_loaded_memory_has_compiled_all_it_needs(tmp_path: Path) -> None:
    ErrorMemory.empty(SPEC, HIDDEN, MemorySettings(views=ALL)).save(tmp_path)
    code = f"""
import sys, numba, tests.memory.test_memory as t
from pathlib import Path
memory = t.ErrorMemory.load(Path({str(tmp_path)!r}), t.SPEC, t.SETTINGS)
def refuse(*args, **kwargs):
    sys.exit(1)
numba.njit = numba.core.dispatcher.Dispatcher.compile = refuse
w = t.world(3_000)
memory.learn(*w.rows(0, 2_000))
memory.compensate(w.examples, w.prediction)
memory.copy().learn(*w.rows(2_000, 3_000))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_read_only_array_becomes_one_that_a_loop_knows() -> None:
    frozen = np.arange(6).reshape(2, 3).T
    frozen.flags.writeable = False
    assert plain(frozen).flags.c_contiguous
    assert plain(frozen).flags.writeable
    assert np.array_equal(plain(frozen), frozen)
