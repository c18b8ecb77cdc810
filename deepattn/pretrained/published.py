"""The published models that deepattn can read.

A checksum here comes from the publisher, or from a file whose identity its publisher's version
control proves. A model without one has to be downloaded by hand.
"""

from __future__ import annotations

from typing import ClassVar

from deepattn.pretrained.catalog import Catalog, PublishedModel

_DPA1 = "D. Zhang et al., npj Comput. Mater. 10, 94 (2024), doi:10.1038/s41524-024-01278-7"
_DPA2 = "D. Zhang et al., npj Comput. Mater. 10, 293 (2024), doi:10.1038/s41524-024-01493-2"
_DEEPMD2 = "J. Zeng et al., J. Chem. Phys. 159, 054801 (2023), doi:10.1063/5.0155600"
_OC20 = "L. Chanussot et al., ACS Catal. 11, 6059 (2021), doi:10.1021/acscatal.0c04525"

_OC2M_ELEMENTS = tuple(
    "Ag Al As Au B Bi C Ca Cd Cl Co Cr Cs Cu Fe Ga Ge H Hf Hg In Ir K Mg Mn Mo N Na Nb Ni O Os P "
    "Pb Pd Pt Rb Re Rh Ru S Sb Sc Se Si Sn Sr Ta Tc Te Ti Tl V W Y Zn Zr".split()
)
_OPENLAM_BRANCHES = (
    *("Domains_Alloy", "Domains_Anode", "Domains_Cluster", "Domains_Drug", "Domains_FerroEle"),
    *("Domains_SSE_PBE", "Domains_SemiCond", "H2O_H2O_PD", "Metals_AlMgCu", "Metals_Cu"),
    *("Metals_Sn", "Metals_Ti", "Metals_V", "Metals_W", "Others_C12H26", "Others_HfO2"),
    *("Domains_SSE_PBESol", "Domains_Transition1x", "H2O_H2O_DPLR", "H2O_H2O_PBE0TS_MD"),
    *("H2O_H2O_PBE0TS", "H2O_H2O_SCAN0", "Metals_AgAu_PBED3", "Others_In2Se3"),
    *("MP_traj_v024_alldata_mixu", "Alloy_tongqi", "SSE_ABACUS", "Hybrid_Perovskite"),
    *("solvated_protein_fragments", "Electrolyte", "ODAC23", "Alex2D", "Omat24", "SPICE2"),
    *("OC20M", "OC22", "Organic_Reactions"),
)
# A revision is named where the server has one: the file of a branch can be replaced, and was.
_DPA24 = "0634b77077973a8652ce292a71eed999f5161630"
_V2_PAPER = "e29c9d56ee1d0e74fad6364a33556f8d279b8d30"


class Published(Catalog):
    """Models of the DeePMD-kit community."""

    models: ClassVar = (
        PublishedModel(
            name="DPA-2.4-7M",
            file="DPA-2.4-7M-patched-mt.pt",
            description="DPA-2, 6.6 million parameters, trained on 37 data sets (OpenLAM); "
            "about 80 MB",
            page="https://huggingface.co/deepmodelingcommunity/DPA-2.4-7M",
            license="CC-BY-4.0",
            cite=(_DPA2,),
            urls=(
                f"https://huggingface.co/deepmodelingcommunity/DPA-2.4-7M/resolve/{_DPA24}/DPA-2.4-7M-patched-mt.pt",
                f"https://hf-mirror.com/deepmodelingcommunity/DPA-2.4-7M/resolve/{_DPA24}/DPA-2.4-7M-patched-mt.pt",
                "https://modelscope.cn/models/DeepModelingCommunity/DPA-2.4-7M/resolve/master/DPA-2.4-7M-patched-mt.pt",
            ),
            sha256="904eb5560af9ff644347dedd3ebf1e9c97929d02ee37ce3cbe895de3df711198",
            branches=_OPENLAM_BRANCHES,
        ),
        PublishedModel(
            name="DPA-1-OC2M",
            file="DPA-1-OC2M.pb",
            description="DPA-1 in float32, 10 million steps on two million frames of Open "
            "Catalyst 2020 (RPBE); of DeePMD-kit's paper of 2023",
            page="https://github.com/deepmodeling-activity/deepmd-kit-v2-paper",
            license="not stated; the authors ask for credit",
            cite=(_DEEPMD2, _DPA1, _OC20),
            urls=(
                f"https://raw.githubusercontent.com/deepmodeling-activity/deepmd-kit-v2-paper/{_V2_PAPER}/models/30/frozen_model.pb",
                f"https://github.com/deepmodeling-activity/deepmd-kit-v2-paper/raw/{_V2_PAPER}/models/30/frozen_model.pb",
            ),
            sha256="609b03b54ff8d0f94204bde3572693b88b833d6e03dfa5b8a683385420a77796",
            size=3420253,
            elements=_OC2M_ELEMENTS,
        ),
        PublishedModel(
            name="OC_10M",
            file="OC_10M.pb",
            description="DPA-1, pre-trained on Open Catalyst 2020 (RPBE); to be downloaded by hand",
            page="https://www.aissquare.com/models/detail?pageType=models&name=DPA_1_OC2M",
            license="see the page",
            cite=(_DPA1, _OC20),
        ),
    )
