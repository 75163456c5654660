"""The lessons as they came with this installation, and how far a learner got in them.

    shipped.lessons()        {name: file}, out of the wheel or of the clone
    tasks.course()           what each lesson asks: predictions and exercises, each with a name that lasts
    attempts.read(file)      what the learner tried, from `progress.jsonl` beside the lessons
    keeping.install(kind)    from now on a verdict that a cell shows is kept there
    progress.course_map()    the map of the course: what is solved, tried, open

Nothing here knows of models, arrays or the network, nor who the learner is.
"""
