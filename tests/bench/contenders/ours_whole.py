"""The course: `lm.trace(ids)` as a learner writes it, which keeps queries, keys and values too."""

from looking import compete
from ours import look, open_model

if __name__ == "__main__":
    compete(open_model, lambda lm, ids: look(lm, ids, keep=None))
