"""Running jobs by dpdispatcher: on this computer, or where its sections say."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deepattn.errors import ConfigError, DataError
from deepattn.learn.dispatch.config import DispatchConfig
from deepattn.learn.dispatch.script import SCRIPT, STATUS
from deepattn.progress import counted

log = logging.getLogger(__name__)

# A shell on this computer, which works where the files are.
_HERE: dict[str, Any] = {"batch_type": "Shell", "context_type": "LazyLocalContext"}
_LOG = "dpdispatcher.log"
_MOST_ATTEMPTS = 4


class Dispatcher:
    """Submits jobs and waits for them; lost ones are submitted again.

    Args:
        config: The section of the input.

    Raises:
        ConfigError: dpdispatcher is not installed, or does not accept its sections.
    """

    def __init__(self, config: DispatchConfig) -> None:
        self._library = _import()
        self._config = config
        self._machine = config.machine or _HERE
        # Any folder serves to check them.
        self._objects(Path.cwd(), 1)

    def run(
        self,
        folder: Path,
        names: Sequence[str],
        transfers: Mapping[str, list[str]],
        *,
        token: str,
        title: str,
    ) -> None:
        """Run the script in folders that lie in a common one, until all have ended.

        Args:
            folder: The common folder.
            names: Of the folders.
            transfers: Files to bring there and back.
            token: Of the batch: jobs of a call with the same one are found again.
            title: Title of the progress line.

        Raises:
            DataError: Jobs fail again and again.
        """
        # A job that was submitted twice, since it was taken for lost, may end well although a
        # command of it was ended from outside.
        for attempt in range(_MOST_ATTEMPTS):
            if all((folder / name / STATUS).is_file() for name in names):
                return
            self._submit(folder, names, transfers, f"{token}-{attempt}", title)
        for name in names:
            if not (folder / name / STATUS).is_file():
                raise DataError(
                    f"{folder / name}: the job has ended, and its command has not; {folder / _LOG} "
                    "says more"
                )

    def _submit(
        self,
        folder: Path,
        names: Sequence[str],
        transfers: Mapping[str, list[str]],
        token: str,
        title: str,
    ) -> None:
        """Submit jobs, or find them, and wait for them."""
        library, root = self._library, folder.resolve().parent
        _log_to(folder / _LOG)
        machine, resources = self._objects(root, len(names))
        tasks = [
            library.Task(
                # The script ignores it; dpdispatcher tells jobs by their commands.
                command=f"sh {SCRIPT} {token}",
                task_work_path=name,
                forward_files=list(transfers["forward_files"]),
                backward_files=list(transfers["backward_files"]),
                outlog=None,
                errlog=None,
            )
            for name in names
        ]
        submission = library.Submission(
            work_base=folder.name,
            machine=machine,
            resources=resources,
            forward_common_files=list(transfers["forward_common_files"]),
            task_list=tasks,
        )
        # Of its own files that a killed call was writing.
        for path in folder.glob(".*.tmp"):
            path.unlink()
        with counted(len(names), title) as tick:
            _show_progress(submission, folder, names, tick)
            _count_failures_anew(submission)
            try:
                submission.run_submission(check_interval=self._config.wait, clean="on_success")
            except RuntimeError as error:
                raise DataError(
                    f"{folder}: jobs fail again and again; {folder / _LOG} says more: "
                    f"{str(error).splitlines()[0]}"
                ) from None

    def _objects(self, root: Path, count: int) -> tuple[Any, Any]:
        """Machine and resources of dpdispatcher."""
        if self._config.resources is None:
            resources: dict[str, Any] = {
                "number_node": 1,
                "cpu_per_node": 1,
                "gpu_per_node": 0,
                "queue_name": "",
                "group_size": math.ceil(count / self._config.parallel),
            }
        else:
            resources = dict(self._config.resources)
        machine = {**self._machine, "local_root": str(root)}
        name = machine.get("batch_type")
        if name is not None and name not in self._library.Machine.subclasses_dict:
            raise ConfigError(
                f"learn: machine/batch_type is {name!r}, which dpdispatcher does not have; use one "
                f"of {', '.join(sorted(self._library.Machine.options))}."
            )
        try:
            self._check(machine, resources)
            return (
                self._library.Machine.load_from_dict(machine),
                self._library.Resources.load_from_dict(resources),
            )
        # It raises whatever it likes.
        except Exception as error:
            reason = " ".join(str(error).split())
            raise ConfigError(
                f"learn: dpdispatcher does not accept machine or resources: {reason}."
            ) from None

    def _check(self, machine: dict[str, Any], resources: dict[str, Any]) -> None:
        """Check both by dpdispatcher's schema, which refuses what its own loading ignores: keys
        that it does not know."""
        library = self._library
        # kwargs has keys of a kind of machine; the schemas of some kinds require it, for no reason.
        detailed = {"kwargs": {}, **resources, "batch_type": machine.get("batch_type")}
        for schema, given in (
            (library.Machine.arginfo(), machine),
            (library.Resources.arginfo(), detailed),
        ):
            full = schema.normalize_value(given, trim_pattern="_*")
            schema.check_value(full, strict=True)


def _import() -> Any:
    """The library, whose messages go to a file of the submission alone."""
    level = logging.root.manager.disable
    # It writes a log into the working folder when it is imported, unless it has nothing to say.
    logging.disable(logging.CRITICAL)
    try:
        import dpdispatcher
    except ImportError:
        raise ConfigError(
            "learn needs dpdispatcher for jobs: pip install 'deepattn[learn]'."
        ) from None
    finally:
        logging.disable(level)
    return dpdispatcher


def _log_to(path: Path) -> None:
    logger = logging.getLogger("dpdispatcher")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)


def _count_failures_anew(submission: Any) -> None:
    """Count the failures of jobs from the start of this call: those before were seen by the user,
    who may have ended jobs together with the command."""
    recover = submission.try_recover_from_json

    def recovered() -> None:
        recover()
        for job in submission.belonging_jobs:
            job.fail_count = 0

    submission.try_recover_from_json = recovered


def _show_progress(submission: Any, folder: Path, names: Sequence[str], tick: Any) -> None:
    """Move the progress line whenever the submission looks at its jobs."""
    look, shown = submission.update_submission_state, 0

    def looked() -> None:
        nonlocal shown
        look()
        ended = sum((folder / name / STATUS).is_file() for name in names)
        for _ in range(ended - shown):
            tick()
        shown = max(shown, ended)

    submission.update_submission_state = looked
