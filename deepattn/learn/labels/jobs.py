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

from deepattn.distill.potential import Labels
from deepattn.formats.files import write_whole
from deepattn.learn.dispatch.dispatcher import Dispatcher
from deepattn.learn.dispatch.script import COMMON, ERRORS, OUTPUT, SCRIPT, STATUS, script
from deepattn.learn.labels.code import Code
from deepattn.learn.labels.config import JobsConfig
from deepattn.learn.labels.source import LabelSource
from deepattn.learn.labels.store import LabelStore, Unusable
from deepattn.registry import resolve

_BATCH = "batch.json"


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
            folders = [store.folder / name for name in batch["names"]]
            if all((folder / SCRIPT).is_file() for folder in folders):
                for folder in folders:
                    if not (folder / STATUS).is_file():
                        self._write_script(folder)  # the command may be another one now
                return batch["names"], batch["token"]
        self._write_inputs(places, store)
        batch = {"names": list(places), "token": secrets.token_hex(8)}
        with write_whole(path, "w") as file:
            json.dump(batch, file)
        return batch["names"], batch["token"]

    def _write_inputs(self, places: dict[str, Atoms], store: LabelStore) -> None:
        common = store.folder / COMMON
        common.mkdir(parents=True, exist_ok=True)
        for path in self.code.files():
            shutil.copyfile(path, common / path.name)
        for name, atoms in places.items():
            folder = store.folder / name
            folder.mkdir(exist_ok=True)
            self.code.write(atoms, folder)
            self._write_script(folder)

    def _write_script(self, folder: Path) -> None:
        with write_whole(folder / SCRIPT, "w") as file:
            file.write(script(self.config.command, self.code.outputs))

    def _transfers(self) -> dict[str, list[str]]:
        """Files of each folder, and of all, as dpdispatcher calls them."""
        return {
            "forward_files": [SCRIPT, *self.code.inputs],
            "backward_files": [STATUS, OUTPUT, ERRORS, *self.code.outputs],
            "forward_common_files": [f"{COMMON}/{path.name}" for path in self.code.files()],
        }

    def _result(self, atoms: Atoms, folder: Path) -> Labels | Unusable:
        status = (folder / STATUS).read_text(encoding="utf-8").strip()
        found = self.code.read(atoms, folder)
        if status != "0" and isinstance(found, Unusable):
            return Unusable(f"{found.reason}; the command ended with status {status}")
        return found
