"""What this computer can hold: memory, disk, devices, and a bar for whatever takes longer than two seconds.

Ask here, before anything large is opened or fetched:
    memory.available_memory()        bytes that this process may still use, whatever container it runs in
    budget.choose_dtype, check_disk  what fits, and one sentence about what does not
    devices.placement(device)        "cpu", "cuda:1", "auto" or a dict -> where a model's parts go
    bars.bar(total, title)           a progress bar that leaves nothing behind in a stored notebook
Nothing here knows of models but by their `Spec`, nor of the network.
"""
