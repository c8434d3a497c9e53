"""The fault suite: a real cluster on this machine, steady traffic, and one fault after the other.

`suite` lists the faults in order; each family of them is a file. Every answer is compared with what a quiet index in
this process says, so a fault can cost an answer, but never change one.
"""
