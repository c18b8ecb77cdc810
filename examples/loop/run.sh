#!/usr/bin/env bash
# Pre-train, fine-tune, distill, compress, run MD. Takes some minutes on two cores.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

deepattn train pretrain.json -o pretrained.json
deepattn train finetune.json -o finetuned.json --finetune pretrained/model.ckpt --model-branch gold
deepattn test -m finetuned/model.ckpt -s ../alloy/data/unseen/Ag10Pd11Au11
deepattn distill finetuned/model.ckpt distill.json
deepattn test -m distill/student.pb -s ../alloy/data/unseen/Ag10Pd11Au11
deepattn check-nve distill/student.pb ../alloy/data/unseen/Ag10Pd11Au11 --temperature 300 --steps 200
