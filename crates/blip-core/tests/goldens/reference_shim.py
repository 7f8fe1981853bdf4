"""Lets the original BLIP (salesforce/BLIP@056a169) run on today's torch, with the libraries that it was written for.

The original needs transformers 4.15.0 and timm 0.4.12, both pure Python. Their wheels, unpacked, come first on the
path; what they import that has since gone is replaced by a stand-in. Nothing here computes anything.
"""

import sys
import types


def stand_in(name, **attributes):
    """A module that offers only these names."""
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(attributes)


def install(blip, transformers, timm):
    """Puts the checkout and both unpacked wheels on the path; to be called before anything imports transformers."""
    sys.path[:0] = [str(blip), str(transformers), str(timm)]

    def gone(*_arguments, **_settings):
        raise RuntimeError("the reference shim opens no socket")

    # Downloads, which nothing here uses.
    hub = ("HfFolder", "Repository", "create_repo", "list_repo_files", "whoami", "hf_hub_url", "cached_download")
    stand_in("huggingface_hub", **dict.fromkeys(hub, gone))
    stand_in("requests", **dict.fromkeys(("get", "post", "head", "Session"), gone))
    stand_in("requests.exceptions", HTTPError=OSError)
    sys.modules["requests"].exceptions = sys.modules["requests.exceptions"]
    # The versions that transformers 4.15 was released beside.
    stand_in("transformers.dependency_versions_check", dep_version_check=lambda *_: None)
    # Without it transformers uses its tokenizers in Python, as the original's `BertTokenizer` is anyway.
    sys.modules["tokenizers"] = None
    # Gradient checkpointing, which inference does not use.
    stand_in("fairscale")
    stand_in("fairscale.nn")
    stand_in("fairscale.nn.checkpoint")
    stand_in("fairscale.nn.checkpoint.checkpoint_activations", checkpoint_wrapper=lambda module: module)
