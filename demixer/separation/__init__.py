"""The separation engine: from one song to its stems.

models      which models there are, which one is used, and which is better. Cheap: loads no torch
weights     where a model's weights lie; `hub` fetches them
loading     weights to an engine; `demucs_engine` and `spleeter_engine` are the two
separate    one file to stems in a folder, in constant memory
worker      the same in a child process that keeps the model loaded; `child` is its other side
beforehand  what is wrong with MODEL and DEVICE, before anything starts
findings    what `demixer check` says about all this
"""
