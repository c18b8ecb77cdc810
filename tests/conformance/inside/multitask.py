"""Runs inside DeePMD-kit's Python with PyTorch: trains several tasks and fine-tunes from a branch.

``python multitask.py JOBS.json``: a list of ``{"input", "heads", "finetune", "branch"}`` in the
working folder. Writes ``<head>.dp`` of every branch, ``statistics.npz`` with ``<head>/bias`` (eV)
as the training began, and ``finetuned.npz`` with the bias that the fine-tuning began with.
"""

import json
import sys

import numpy as np
import torch
from deepmd.dpmodel.utils.serialization import save_dp_model
from deepmd.main import main as dp
from deepmd.pt.model.model import get_model


def main(jobs: str) -> None:
    with open(jobs) as file:
        for job in json.load(file):
            dp(["--pt", "train", job["input"], "--skip-neighbor-stat"])
            biases = {}
            for head in job["heads"]:
                model = branch_of("model.ckpt.pt", head)
                save_dp_model(f"{head}.dp", {"model": model.serialize(), "backend": "PyTorch"})
                biases[f"{head}/bias"] = bias_of("model.ckpt.pt", head)
            np.savez("statistics.npz", **biases)
            start = ["--finetune", "model.ckpt.pt", "--model-branch", job["branch"]]
            dp(["--pt", "train", job["finetune"], *start, "--skip-neighbor-stat"])
            np.savez("finetuned.npz", bias=bias_of("finetuned.ckpt.pt", "Default"))


def branch_of(path, head):
    """The model of a branch."""
    state = torch.load(path, map_location="cpu", weights_only=False)["model"]
    model = get_model(state["_extra_state"]["model_params"]["model_dict"][head])
    prefix = f"model.{head}."
    own = {name[len(prefix) :]: v for name, v in state.items() if name.startswith(prefix)}
    model.load_state_dict(own)
    return model


def bias_of(path, head):
    """Energy bias by type, eV."""
    state = torch.load(path, map_location="cpu", weights_only=False)["model"]
    prefix = f"model.{head}.atomic_model."
    whole = state[f"{prefix}out_bias"].reshape(-1) + state[
        f"{prefix}fitting_net.bias_atom_e"
    ].reshape(-1)
    return whole.cpu().numpy()


if __name__ == "__main__":
    main(sys.argv[1])
