"""alc-bench: a benchmark for active label correction in semantic segmentation.

``from bench import ...`` gives all that a plug-in or a notebook needs; `bench/__init__.pyi` lists it. Each name is
imported when it is first used: who only wants the command line does not wait for torch.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
