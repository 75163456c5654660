"""The models that ship with the course: their corpus, their recipe, their weights."""
