"""Macros: keys and text typed on the signed-in user's screen, once, at intervals, or when an operator says so.

May be called by the role ``macro``. ``pacing`` decides when, ``running`` drives one macro; the typing is done in a
process of its own (``hand``), which looks before each key whether the window it is meant for has the focus.
"""
