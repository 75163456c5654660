"""The models that ship with the course: their corpus, their recipe, their weights.

    corpus.batch(step)            the batch of a step: a pure function of (seed, step), from eight `sources`
    models.new_model(name, seed)  a tiny model with its initial weights
    train.train(name)             the recipe; `train.training_log(name)` is what it wrote down
    evaluate, ngrams, sums, seeds what lessons measure: loss by source, n-gram models, sums seen, more seeds
    entropy.floor(seed)           the loss that none can get below, from the program's own probabilities
`weights/`, `logs/` and `tokenizer/` are what the recipe made; `python -m pythia_course.tiny` makes them anew.
"""
