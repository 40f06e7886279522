"""Inputs that nobody would write, by coverage-guided fuzzing (atheris): `python -m fuzz [SECONDS] [TARGET...]`.

`targets` says what is called and from which seeds; `one` fuzzes a target in this process; `__main__` runs them by turns.
What breaks a target is kept in fuzz/out/ and, once it is mended, as a case in fuzz/cases/, which the tests run.
"""
