"""A model's name -> its files on this machine, whatever the network does meanwhile.

    addresses.find(name, step)    "pythia-160m", 3000 -> a `Place`: a folder here, or a branch on the hub
    fetching.fetch(place)         -> the folder with its files, downloaded if need be; `download_plan`: what it takes
    model_files                   which files a model must have; its config and tokenizer, safely read
    cache                         what was downloaded before; `free` deletes it
Behind these: `downloads` (one file: resumed, its hash compared), `patience` (how long to wait, and the retry of a busy
hub's 429), `failures` (any failure -> one sentence) and `reports` (progress).  All else asks the hub through here.
"""
