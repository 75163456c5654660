"""Processes forked from one that has torch and transformers in it: others take seconds to import them."""

import multiprocessing

MODULES = ("torch", "transformers.models.gpt_neox.modeling_gpt_neox", "pythia_course.training.sweep")


def nursery():
    """The `multiprocessing` context whose processes are such; they share one parent, started when first needed."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(MODULES))
    return context
