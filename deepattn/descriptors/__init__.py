"""The descriptors, one folder each: configuration, layers, reading and writing of ``.dp`` files.

The modules ``config`` do without TensorFlow; the rest is imported when a name is asked for.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "dpa2.compressed": ["CompressedDPA2", "TabulatedRepInit"],
        "dpa2.config": ["Dpa2Config"],
        "dpa2.layer": ["DPA2"],
        "hybrid.config": ["HybridConfig"],
        "hybrid.layer": ["Hybrid"],
        "se_a_mask.config": ["SeAMaskConfig"],
        "se_a_mask.layer": ["SeAMask"],
        "se_atten.compressed": ["CompressedSeAtten"],
        "se_atten.config": ["SeAttenConfig", "SeAttenV2Config"],
        "se_atten.layer": ["SeAtten"],
        "se_e2_a.compressed": ["CompressedSeE2A"],
        "se_e2_a.config": ["SeAEbdV2Config", "SeE2AConfig"],
        "se_e2_a.layer": ["SeE2A"],
        "se_e2_r.config": ["SeE2RConfig"],
        "se_e2_r.layer": ["SeE2R"],
        "se_e3.config": ["SeE3Config"],
        "se_e3.layer": ["SeE3"],
        "se_e3_tebd.config": ["SeE3TebdConfig"],
        "se_e3_tebd.layer": ["SeE3Tebd"],
    },
)
