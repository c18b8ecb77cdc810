"""Runs inside DeePMD-kit's Python with PyTorch: a checkpoint of the size of DPA-2.4-7M.

``python torch_stand_in.py FILE [--branches 37] [--precision float32]``: DPA-2 with 118 elements,
one descriptor and one fitting net with a case embedding for all branches, random weights, and the
state of Adam, as a training writes it.
"""

import argparse
import json

import torch
from deepmd.pt.model.model import get_model
from deepmd.pt.train.wrapper import ModelWrapper
from deepmd.utils.argcheck import model_args
from deepmd.utils.econf_embd import electronic_configuration_embedding

ELEMENTS = list(electronic_configuration_embedding)[:118]
REPINIT = {
    "rcut": 6.0,
    "rcut_smth": 0.5,
    "nsel": 120,
    "neuron": [25, 50, 100],
    "axis_neuron": 12,
    "tebd_dim": 8,
    "activation_function": "tanh",
    "use_three_body": True,
    "three_body_rcut": 4.0,
    "three_body_rcut_smth": 3.5,
    "three_body_sel": 48,
    "three_body_neuron": [2, 4, 8],
}
REPFORMER = {
    "rcut": 4.0,
    "rcut_smth": 3.5,
    "nsel": 48,
    "nlayers": 16,
    "g1_dim": 128,
    "g2_dim": 32,
    "axis_neuron": 4,
    "attn1_hidden": 128,
    "attn1_nhead": 4,
    "attn2_hidden": 32,
    "attn2_nhead": 4,
    "update_g1_has_conv": True,
    "update_g1_has_grrg": True,
    "update_g1_has_drrd": True,
    "update_g1_has_attn": True,
    "update_g2_has_g1g1": False,
    "update_g2_has_attn": True,
    "update_h2": False,
    "update_style": "res_residual",
    "update_residual": 0.01,
    "update_residual_init": "norm",
    "attn2_has_gate": True,
    "use_sqrt_nnei": True,
    "g1_out_conv": True,
    "g1_out_mlp": True,
}


def section(branches: int, precision: str) -> dict:
    """The ``model`` section, with shared parts in place of their names."""
    part = {
        "type_map": ELEMENTS,
        "descriptor": {
            "type": "dpa2",
            "repinit": REPINIT,
            "repformer": REPFORMER,
            "precision": precision,
        },
        "fitting_net": {
            "neuron": [240, 240, 240],
            "dim_case_embd": branches,
            "precision": precision,
        },
    }
    found = {}
    for k in range(branches):
        text = json.dumps(part)
        notes = {"model_branch_alias": [f"alias_{k}"], "info": {"description": f"Data set {k}"}}
        one = model_args().normalize_value({**json.loads(text), **notes}, trim_pattern="_*")
        found[f"Branch_{k}"] = one
    return {"model_dict": found}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("--branches", type=int, default=37)
    parser.add_argument("--precision", default="float32")
    args = parser.parse_args()
    torch.manual_seed(1)
    model_section = section(args.branches, args.precision)
    models, first = {}, None
    for place, (name, one) in enumerate(model_section["model_dict"].items()):
        model = get_model(one)
        first = first or model
        if model is not first:
            model.get_descriptor().share_params(first.get_descriptor(), 0, resume=True)
            model.get_fitting_net().share_params(first.get_fitting_net(), 0, resume=True)
        model.set_case_embd(place)
        model.atomic_model.out_bias.normal_()
        models[name] = model
    wrapper = ModelWrapper(models, model_params=model_section)
    wrapper.train_infos |= {"step": 1, "lr": 1e-4}
    parameters = [p for p in wrapper.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(parameters)
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    torch.save({"model": wrapper.state_dict(), "optimizer": optimizer.state_dict()}, args.file)
    print(json.dumps({"parameters": sum(p.numel() for p in parameters)}))


if __name__ == "__main__":
    main()
