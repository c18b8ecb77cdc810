"""Labels of a first-principles code that runs as jobs."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ase import Atoms

from deepattn.formats.files import write_whole
from deepattn.learn.labels.code import SCRATCH, Code
from deepattn.learn.labels.config import JobsConfig
from deepattn.learn.labels.dispatch import SCRIPT, STATUS, Dispatcher
from deepattn.learn.labels.source import LabelSource
from deepattn.learn.labels.store import LabelStore, Unusable
from deepattn.registry import resolve

_BATCH = "batch.json"
_OUTPUT, _ERRORS = "stdout", "stderr"
_COMMON = "common"
# A line for each run of the command that ended by one of the signals of those who end jobs: HUP,
# INT, KILL, TERM. Such a run says nothing about its frame, unless it always ends so.
_ENDED = "ended"
_SIGNALS = (1, 2, 9, 15)
_MOST_ENDED = 3


class JobLabels:
    """A code labels frames, each in a folder of its own, many of them in a job.

    A batch of frames is written down before it is submitted and is not changed, unless folders of
    it are removed, so that a call after an interruption finds the jobs that run. A folder is locked
    while its command runs, and left as it is when the command has ended: nothing is run twice.

    Args:
        config: The section of the input.
        finer: See `Code`.

    Raises:
        DeepattnError: Files of the template are missing or wrong, or dpdispatcher is.
    """

    def __init__(self, config: JobsConfig, finer: str = "") -> None:
        self.name = config.type
        self.config = config
        self.code: Code = resolve(config.code)(config, finer=finer)
        self._dispatcher = Dispatcher(config)
        self._finer = finer

    @property
    def settings(self) -> dict[str, Any]:
        """See `LabelSource`."""
        files = {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in self.code.files()
        }
        return {
            "code": self.name,
            "kspacing": self.code.kspacing,
            "settings": self.code.settings(),
            "files": files,
        }

    def check(self, structures: Sequence[Atoms]) -> None:
        """See `LabelSource`."""
        for atoms in structures:
            self.code.check(atoms)

    def compute(
        self, frames: Sequence[Atoms], store: LabelStore, folder: Path, *, title: str
    ) -> None:
        """See `LabelSource`."""
        places = {store.place(atoms).name: atoms for atoms in frames}
        names, token = self._batch(places, store, folder / _BATCH)
        if any(not (store.folder / name / STATUS).is_file() for name in names):
            self._dispatcher.run(store.folder, names, self._transfers(), token=token, title=title)
        for name, atoms in places.items():
            store.keep(atoms, self._result(atoms, store.folder / name))

    def finer(self) -> dict[str, LabelSource]:
        """See `LabelSource`."""
        if self._finer:
            return {}
        return {what: JobLabels(self.config, what) for what in self.code.can_be_finer()}

    def _batch(
        self, places: dict[str, Atoms], store: LabelStore, path: Path
    ) -> tuple[list[str], str]:
        """Names of the frames that are submitted together, and the token of their submission."""
        if path.is_file():
            batch = json.loads(path.read_text(encoding="utf-8"))
            # Folders that were removed are to be labeled again.
            if all((store.folder / name / SCRIPT).is_file() for name in batch["names"]):
                return batch["names"], batch["token"]
        self._write_inputs(places, store)
        batch = {"names": list(places), "token": secrets.token_hex(8)}
        with write_whole(path, "w") as file:
            json.dump(batch, file)
        return batch["names"], batch["token"]

    def _write_inputs(self, places: dict[str, Atoms], store: LabelStore) -> None:
        common = store.folder / _COMMON
        common.mkdir(parents=True, exist_ok=True)
        for path in self.code.files():
            shutil.copyfile(path, common / path.name)
        for name, atoms in places.items():
            folder = store.folder / name
            folder.mkdir(exist_ok=True)
            self.code.write(atoms, folder)
            with write_whole(folder / SCRIPT, "w") as file:
                file.write(self._script())

    def _script(self) -> str:
        """What a job does in the folder of a frame.

        It succeeds where the command fails: such a frame is left out, and not a reason to stop the
        job. A command that was ended from outside is run again, by the next job.
        """
        needed = " ".join(self.code.outputs)
        signals = "|".join(str(128 + number) for number in _SIGNALS)
        return (
            "#!/bin/sh\n"
            "# Two jobs may have this folder if the first was taken for lost.\n"
            "exec 9> .lock && flock 9\n"
            f"test -f {STATUS} && exit 0\n"
            f'for file in ../{_COMMON}/*; do test -e "$file" && ln -sf "$file" .; done\n'
            f"( {self.config.command} ) > {_OUTPUT} 2> {_ERRORS} 9>&-\n"
            "ended=$?\n"
            f"case $ended in {signals})\n"
            f"  echo $ended >> {_ENDED}\n"
            f"  test $(wc -l < {_ENDED}) -lt {_MOST_ENDED} && exit 1;;\n"
            "esac\n"
            f"for file in {needed}; do\n"
            '  test -e "$file" || { mkdir -p "$(dirname "$file")" && : > "$file"; }\n'
            "done\n"
            f"rm -rf {SCRATCH}\n"
            f"echo $ended > {STATUS}.part && mv {STATUS}.part {STATUS}\n"
        )

    def _transfers(self) -> dict[str, list[str]]:
        """Files of each folder, and of all, as dpdispatcher calls them."""
        return {
            "forward_files": [SCRIPT, *self.code.inputs],
            "backward_files": [STATUS, _OUTPUT, _ERRORS, *self.code.outputs],
            "forward_common_files": [f"{_COMMON}/{path.name}" for path in self.code.files()],
        }

    def _result(self, atoms: Atoms, folder: Path) -> Any:
        status = (folder / STATUS).read_text(encoding="utf-8").strip()
        found = self.code.read(atoms, folder)
        if status != "0" and isinstance(found, Unusable):
            return Unusable(f"{found.reason}; the command ended with status {status}")
        return found
