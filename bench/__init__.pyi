"""The public door: the bases of plug-ins, the nouns, and what a notebook calls."""

from .acquisition import Refiner as Refiner
from .acquisition import Strategy as Strategy
from .acquisition import highest as highest
from .adjudication import ASK as ASK
from .adjudication import LEAVE as LEAVE
from .adjudication import Adjudicator as Adjudicator
from .adjudication import Case as Case
from .annotation import Erring as Erring
from .annotation import Oracle as Oracle
from .commands.run import run as run
from .datasets import Dataset as Dataset
from .datasets import Tree as Tree
from .foundation import Foundation as Foundation
from .foundation.superpixels import Superpixels as Superpixels
from .kernels.statistics import STATISTICS as STATISTICS
from .learners import Learner as Learner
from .learners import Prediction as Prediction
from .report import compare as compare
from .report import load_results as load_results
from .seeds import generator as generator
from .types import ACTIONS as ACTIONS
from .types import QUESTIONS as QUESTIONS
from .types import VOID as VOID
from .types import Answer as Answer
from .types import Candidates as Candidates
from .types import InputError as InputError
from .types import Pool as Pool
from .types import Query as Query
from .types import Question as Question
from .types import Truth as Truth

__version__: str
