#!/usr/bin/env bash
# Train, freeze, test and plot with the data set in this folder. Takes a few minutes on two cores.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

deepattn train input.json
deepattn freeze -o model.pb
deepattn test -m model.pb -s data/valid -d valid
deepattn test -m model.pb -s data/unseen -d unseen
deepattn plot lcurve
deepattn plot parity valid unseen
