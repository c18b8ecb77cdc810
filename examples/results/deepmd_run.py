"""Train with DeePMD-kit's TensorFlow backend from the same inputs, and record the results."""

import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from command import make_parser, one_sentence
from cost import write_cost
from sets import SETS
from training_run import COST, TrainingRun
from variants import VARIANTS

from deepattn.errors import DataError

_ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "DP_INTRA_OP_PARALLELISM_THREADS": "1",
    "DP_INTER_OP_PARALLELISM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
_VERSION = "import deepmd; print(deepmd.__version__)"


@dataclass(frozen=True)
class DeepmdRun(TrainingRun):
    """The same training by ``dp --tf``, with its model tested by deepattn.

    Attributes:
        python: Interpreter of the environment of DeePMD-kit.
    """

    python: Path = Path("python")

    @property
    def name(self) -> str:
        """That of deepattn's run, marked."""
        return f"{super().name}-deepmd"

    def _train(self, limit: float | None) -> None:
        restart = ["--restart", "model.ckpt"] if (self.folder / "checkpoint").is_file() else []
        before = _used()
        try:
            self._dp("train", "input.json", *restart)
        finally:
            write_cost(self.folder / COST, self.spent() + _used() - before)
        self._dp("freeze", "-o", "frozen.pb")

    def _model(self) -> Path:
        return self.folder / "frozen.pb"

    def _program(self) -> dict[str, str]:
        return {"deepmd-kit": self._run([str(self.python), "-c", _VERSION]).stdout.split()[-1]}

    def _dp(self, *arguments: str) -> None:
        self._run([str(self.python.parent / "dp"), "--tf", *arguments])

    def _run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        inherited = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        try:
            done = subprocess.run(
                command,
                cwd=self.folder,
                env=inherited | _ONE_THREAD,
                capture_output=True,
                text=True,
                check=False,
            )
        except FileNotFoundError:
            raise DataError(
                f"{command[0]}: there is no such program; give the interpreter of DeePMD-kit's "
                "environment with --python or DEEPATTN_PEER_320"
            ) from None
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["no message"]
            raise DataError(f"{' '.join(command)} has failed: {lines[-1]}")
        return done


def _used() -> float:
    """Core-minutes of the programs that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (usage.ru_utime + usage.ru_stime) / 60


def main(arguments: Sequence[str] | None = None) -> None:
    """Do the trainings that are asked for."""
    parser = make_parser(__doc__)
    parser.add_argument("sets", nargs="+", choices=list(SETS), metavar="SET")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--variant", choices=list(VARIANTS), default="", help="a changed input")
    parser.add_argument(
        "--python",
        type=Path,
        default=Path(os.environ.get("DEEPATTN_PEER_320", sys.executable)),
        help="interpreter of the environment of DeePMD-kit (%(default)s)",
    )
    options = parser.parse_args(arguments)
    with one_sentence():
        for name in options.sets:
            run = DeepmdRun(
                SETS[name],
                options.seed,
                options.output,
                options.data,
                options.variant,
                python=options.python.absolute(),
            )
            record = run.carry_out()
            errors = ", ".join(f"{key} {error['rmse']:.1f}" for key, error in record.errors.items())
            print(f"{run.name}: RMSE (meV/atom, meV/Å) {errors}", file=sys.stderr)


if __name__ == "__main__":
    main()
